"""The checks against self-deception as a diagnostic: rows of each image, and their counts."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from cartl_core.analysis.checks import CheckObservations
from cartl_core.catalog.check_attacks import STRAIGHT, own_attacks
from cartl_core.evaluation.checks import (
    CHECKS,
    ROBUST,
    CheckInputs,
    Rows,
    in_double,
    normalises_first,
    summary,
)
from cartl_core.evaluation.diagnostics.base import Batch, Subject
from cartl_core.report.checks import Checked
from cartl_core.spec.measures.diagnostics import ChecksSpec


def batch(subject: Subject, asked: ChecksSpec) -> Batch:
    """Every check's rows of a batch; attacks are transferred from the first of the other students."""
    network = subject.network
    double, other = in_double(network), next(iter(subject.others.items()), None)

    def rows(images: Tensor, labels: Tensor, indices: Tensor) -> Rows:
        inputs = CheckInputs(
            model=network,
            double=double,
            classes=network.arch.classes,
            images=images,
            labels=labels,
            indices=indices,
            seed=subject.seed,
            asked=asked,
            other=other,
        )
        found: Rows = {}
        for take_down in CHECKS.values():
            found |= take_down(inputs)
        return found

    return rows


def summarise(subject: Subject, asked: ChecksSpec, rows: Rows) -> Checked:
    """Counts over all images, and how the checks' own attacks fared."""
    other = next(iter(subject.others), None)
    return summary(
        rows,
        own_attacks(asked, subject.network.arch.classes, other, straight=ROBUST + STRAIGHT in rows),
        seed=subject.seed,
        normalises_first=normalises_first(subject.network),
    )


def observations_of(
    checked: Checked, asked: ChecksSpec, rows: Mapping[str, Tensor], index: Tensor
) -> CheckObservations:
    """What was taken down, image by image, without tensors.

    Args:
        rows: of finished checks, with the positions of their images in the data set in ``index``.
        index: (n,) such positions of all test images.
    """
    place = {position: at for at, position in enumerate(index.tolist())}
    return CheckObservations(
        checked=checked,
        attack=asked.attack,
        robust={attack.label: tuple(rows[ROBUST + attack.label].tolist()) for attack in checked.attacks},
        positions=tuple(place[position] for position in rows["index"].tolist()),
    )
