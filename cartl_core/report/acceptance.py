"""Verdicts on the criteria that were said before the run, as values of the report."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.report.values import Value
from cartl_core.spec.measures.attack import Norm

CriterionName = Literal["robust_accuracy", "clean_accuracy", "kept_against_plain"]
CriterionStatus = Literal["passed", "failed", "undecided"]
Why = Literal["interval", "check_failed", "not_measured"]


class CriterionVerdict(Value):
    """One criterion and how the network fared."""

    criterion: CriterionName
    norm: Norm | None = Field(default=None, description="Of `at`; null where no radius belongs to it.")
    at: float | None = Field(default=None, description="Radius in pixel units.")
    at_least: float
    confidence: float = Field(gt=0.5, lt=1, description="Of each of the two bounds by itself.")
    status: CriterionStatus = Field(
        description="`passed` where `low` is not below `at_least`, `failed` where `high` is; of a difference "
        "`low` must be above it."
    )
    why: Why = Field(
        description="What the status hangs on: the interval; a check of the evaluation that failed, so that "
        "no robust accuracy is believed; nothing was measured."
    )
    value: float | None = None
    low: float | None = Field(default=None, description="One-sided lower bound.")
    high: float | None = Field(default=None, description="One-sided upper bound.")
    n: int = Field(default=0, ge=0)
    n_to_decide: int | None = Field(
        default=None,
        description="Of an undecided one: test images with which the same shares would decide; null where no "
        "number of them would.",
    )
