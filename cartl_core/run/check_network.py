"""The checks against self-deception on any network: measured here, judged by ``analysis.checks``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cartl_core.analysis.checks import CheckObservations, judge
from cartl_core.analysis.checks.status import found
from cartl_core.analysis.metrics import AttackRecord, Outputs
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
from cartl_core.evaluation.diagnostics.checks import observations_of
from cartl_core.nn.rng import generator
from cartl_core.report.checks import Check, CheckName
from cartl_core.spec.measures.attack import AttackSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec

IMAGES = 200
"""At most so many images are looked at, drawn by lot: as many as presets take."""


IN_DOUBLE: tuple[CheckName, ...] = ("input_range", "jumps")
"""They need the network in double precision."""


def check_network(
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    attack: AttackSpec,
    records: Sequence[AttackRecord],
    outputs: Outputs,
    *,
    classes: int,
    seed: int,
    batch_size: int,
    device: torch.device,
) -> tuple[Check, ...]:
    """Every check, in the order of a report; that of the input's range is left out where it cannot be made.

    Args:
        module: in eval mode, on ``device``.
        x: (N, C, H, W) in [0, 1]; y: (N,) int64.
        attack: the checks' own: PGD on the cross-entropy.
        records: the evaluation's attacks on all N images.
        outputs: of all N images without an attack.
    """
    asked = ChecksSpec(attack=attack)
    drawn = torch.randperm(len(x), generator=generator(seed, "checks images"))[:IMAGES].sort().values
    double = double_of(module, x[:1].to(device))
    batches: list[Rows] = []
    for start in range(0, len(drawn), batch_size):
        indices = drawn[start : start + batch_size]
        inputs = CheckInputs(
            model=module,
            double=double or module,
            classes=classes,
            images=x[indices.to(x.device)].to(device),
            labels=y[indices.to(y.device)].to(device),
            indices=indices,
            seed=seed,
            asked=asked,
        )
        batches.append(
            {name: row.cpu() for name, row in _rows(inputs, with_range=double is not None).items()}
        )
    rows = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
    summed = summary(
        rows,
        own_attacks(asked, classes, None, straight=ROBUST + STRAIGHT in rows),
        seed=seed,
        normalises_first=normalises_first(module),
    )
    everyone = torch.arange(len(x))
    observations: CheckObservations = observations_of(summed, asked, {**rows, "index": drawn}, everyone)
    judged = judge(observations, records, outputs)
    if double is not None:
        return judged
    return tuple(
        found(check.name, "not_asked") if check.name in IN_DOUBLE and check.status != "not_run" else check
        for check in judged
    )


def double_of(module: nn.Module, image: Tensor) -> nn.Module | None:
    """A copy in double precision; None of what cannot be copied, or computes in another precision anyway."""
    try:
        double = in_double(module)
        with torch.no_grad():
            computed_in = double(image.double()).dtype
    except (RuntimeError, TypeError):
        return None
    return double if computed_in == torch.float64 else None


def _rows(inputs: CheckInputs, *, with_range: bool) -> Rows:
    """What every check takes down; without the range, its images lie in none of its bands."""
    rows: Rows = {}
    for name, measure in CHECKS.items():
        if with_range or name not in IN_DOUBLE:
            rows |= measure(inputs)
    if not with_range:
        nowhere = torch.full((len(inputs.labels),), -1)
        flat = inputs.images.flatten(1)
        rows |= {
            "lowest_pixel": flat.amin(1),
            "highest_pixel": flat.amax(1),
            "band": nowhere,
            "deaf": nowhere == 0,
        }
    return rows
