"""From the rows of all images to what the report keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cartl_core.evaluation.checks.input_sensitivity import BANDS
from cartl_core.evaluation.checks.outputs import ROUNDING
from cartl_core.evaluation.checks.table import ROBUST, Rows
from cartl_core.report.checks import Band, CheckAttack, Checked, Inference
from cartl_core.spec.measures.attack import AttackSpec
from cartl_core.statistics.proportions import wilson

JUMP_SHARE = 0.2
"""A network without jumps leaves less unexplained: 0.02 in the median at most, of 20 honest ones."""


def summary(rows: Rows, attacks: Sequence[AttackSpec], *, seed: int, normalises_first: bool) -> Checked:
    """Counts and extremes of the rows that ``CHECKS`` took down, all images together.

    Args:
        attacks: those that the checks made, see ``check_attacks.own_attacks``.
    """
    right = rows["right"]
    return Checked(
        n=len(right),
        right=int(right.sum()),
        vanished=int((rows["vanished"] & right).sum()),
        flat=int((rows["flat"] & right).sum()),
        probable=int(rows["probable"].sum()),
        not_finite=not_finite_count(rows),
        lowest_output=min(_finite(rows["lowest_output"]), default=None),
        highest_output=max(_finite(rows["highest_output"]), default=None),
        differing=int((rows["difference"] > ROUNDING).sum()),
        redecided=int(rows["redecided"].sum()),
        largest_difference=max(_finite(rows["difference"]), default=None),
        lowest_pixel=float(rows["lowest_pixel"].min()),
        highest_pixel=float(rows["highest_pixel"].max()),
        normalises_first=normalises_first,
        jumping=int((_of_right(rows) > JUMP_SHARE).sum()) if "unexplained" in rows else None,
        unexplained=_median(_of_right(rows)) if "unexplained" in rows else None,
        inference=Inference(
            takes_gradients=bool(rows["takes_gradients"].any()),
            changes_itself=bool(rows["changes_itself"].any()),
            layer_runs=int(rows["layer_runs"].max()),
            neighbours=int(rows["neighbours"].sum()),
        ),
        bands=tuple(_band(rows, number) for number in range(len(BANDS))),
        attacks=tuple(_attack(attack, rows[ROBUST + attack.label], seed) for attack in attacks),
    )


def _of_right(rows: Rows) -> Tensor:
    """Of each image that is right without an attack, the share of changes that gradients do not tell."""
    return rows["unexplained"][rows["right"]]


def _median(values: Tensor) -> float | None:
    return float(values.median()) if len(values) else None


def _band(rows: Rows, number: int) -> Band:
    inside = rows["band"] == number
    low, high = BANDS[number]
    return Band(low=low, high=high, images=int(inside.sum()), deaf=int((inside & rows["deaf"]).sum()))


def _attack(attack: AttackSpec, robust: Tensor, seed: int) -> CheckAttack:
    return CheckAttack(
        **attack.model_dump(include=set(CheckAttack.model_fields) & set(AttackSpec.model_fields)),
        seed=seed,
        n=len(robust),
        robust=wilson(int(robust.sum()), len(robust)),
    )


def not_finite_count(rows: Mapping[str, Tensor]) -> int:
    """Images with an output that is infinite or not a number in one of two passes.

    An end of the outputs' range is not finite then, or the difference of the passes.
    """
    ends = ("lowest_output", "highest_output", "difference")
    return int((~torch.stack([rows[name].isfinite() for name in ends]).all(dim=0)).sum())


def _finite(values: Tensor) -> list[float]:
    """Those of (n,) that JSON can hold."""
    found: list[float] = values[values.isfinite()].tolist()
    return found
