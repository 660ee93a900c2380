"""What a teacher is worth, measured: clean and PGD accuracy on test images of a data set that is named.

A published file that loads may still be the wrong network: another normalisation, another padding. Accuracy
finds most of that, and not all: a wrong padding costs a robust network few points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cartl_core.attacks import attack_with_surrogate, fold_batch_norm, misclassified
from cartl_core.catalog.layouts import TeacherRefused
from cartl_core.data.image_set import ImageSet
from cartl_core.nn.network import Network
from cartl_core.render.numbers import radius
from cartl_core.spec import AttackSpec
from cartl_core.spec.resources.teacher import MeasuredShare, Published, TrainedAt, Verification
from cartl_core.statistics.proportions import wilson
from cartl_core.storage.stop_flag import StopFlag

STEPS = 20
STEPS_ACROSS = 4
"""The step is so many times smaller than the radius."""
BATCH = 64


@dataclass(frozen=True, eq=False)
class TestSample:
    """A sample of a data set's test images as the teacher sees them.

    Attributes:
        dataset: its name.
        images: N of them, made batch by batch.
        labels: (N,) int64, positions in the data set's classes.
        index: (N,) int64, positions in the test split.
        classes: how many the data set has.
        eval_eps: the radius that its robustness is measured at, linf.
    """

    dataset: str
    images: ImageSet
    labels: Tensor
    index: Tensor
    classes: int
    eval_eps: float


def verify_teacher(
    network: Network,
    test: TestSample,
    *,
    trained_at: TrainedAt | None,
    published: Published | None,
    seed: int,
    progress: Callable[[float], None],
    stop: StopFlag,
) -> Verification:
    """Clean accuracy, and accuracy under PGD at the radius that the teacher was trained at.

    Args:
        network: in eval mode, on the device that it is measured on.
        trained_at: None, or a radius of 0: the data set's own radius, linf.
        progress: told of the fraction that is done.

    Raises:
        TeacherRefused: it has another number of classes, is no better than always naming the commonest class,
            or ``published`` does not lie in the measured interval.
        Interruption: the run was asked to stop.
    """
    outputs = network.head.out_features
    if outputs != test.classes:
        raise TeacherRefused(
            "shape_differs",
            f"verify.dataset: {test.dataset} has {test.classes} classes, the teacher {outputs} outputs",
        )
    attack = attack_of(trained_at, test.eval_eps)
    surrogate = fold_batch_norm(network)
    device = network.head.weight.device
    right, robust, n = 0, 0, len(test.labels)
    for first in range(0, n, BATCH):
        stop.check()
        progress(first / n)
        part = slice(first, first + BATCH)
        images, labels = test.images[part].to(device), test.labels[part].to(device)
        with torch.no_grad():
            wrong = misclassified(network(images), labels)
        found = attack_with_surrogate(
            network,
            surrogate,
            images,
            labels,
            attack,
            seed=seed,
            label=attack.label,
            indices=test.index[part],
            skip=wrong,
        )
        right += int((~wrong).sum())
        robust += int((~found.broken).sum())
    clean = _measured(right, n)
    _require_learned(clean, test.labels)
    _require_reproduced(clean, published, n)
    return Verification(
        dataset=test.dataset,
        n=n,
        clean=clean,
        robust=_measured(robust, n),
        attack=f"{attack.label} {attack.norm} {radius(attack.eps)}",
    )


def attack_of(trained_at: TrainedAt | None, eval_eps: float) -> AttackSpec:
    """PGD with 20 steps at the teacher's radius, else at the data set's."""
    norm: Literal["linf", "l2", "l1"] = "linf"
    eps = eval_eps
    if trained_at is not None and trained_at.eps > 0:
        norm, eps = trained_at.norm, trained_at.eps
    return AttackSpec(label=f"pgd{STEPS}", norm=norm, eps=eps, step=eps / STEPS_ACROSS, steps=STEPS)


def _measured(successes: int, n: int) -> MeasuredShare:
    interval = wilson(successes, n)
    return MeasuredShare(value=interval.value, low=interval.low, high=interval.high)


def _require_learned(clean: MeasuredShare, labels: Tensor) -> None:
    commonest = float(torch.bincount(labels).max()) / len(labels)
    if clean.value <= commonest:
        raise TeacherRefused(
            "collapsed",
            f"clean accuracy is {clean.value:.3f}, no more than the commonest class's share {commonest:.3f}: "
            "the normalisation, the order of the classes or the layout may be wrong",
        )


def _require_reproduced(clean: MeasuredShare, published: Published | None, n: int) -> None:
    if published is None or clean.low <= published.clean <= clean.high:
        return
    raise TeacherRefused(
        "published_not_reproduced",
        f"published.clean is {published.clean:g}; measured on {n} images: {clean.value:.3f}, 95 % interval "
        f"{clean.low:.3f} to {clean.high:.3f}",
    )
