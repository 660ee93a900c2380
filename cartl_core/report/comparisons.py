"""Comparisons as values of the report: with the teacher, across data sets, and with a baseline, in pairs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.report.values import Interval, Value


class AttackPair(Value):
    """One way to attack that both were measured with; the radius may differ, as the data sets' do."""

    target: str = Field(description="Label of the attack on the student, on the target.")
    source: str = Field(description="Label of the attack on its teacher, on the source.")
    target_eps: float
    source_eps: float
    norm: str


class Retention(Value):
    """A student's robust accuracy on the target over its own teacher's on the source.

    The two are measured on other images of other classes: a ratio across data sets, which says how much of
    a level was carried over, not how two networks compare.
    """

    target: Interval = Field(description="Student: robust against every attack of `attacks`, per image.")
    source: Interval = Field(description="Teacher, likewise.")
    attacks: tuple[AttackPair, ...]
    ratio: float = Field(ge=0)
    low: float = Field(ge=0)
    high: float = Field(ge=0)
    confidence: float = Field(default=0.95, gt=0, lt=1)


class PairedComparison(Value):
    """Job against baseline on the same test images: robust (or right) or not, image by image."""

    what: Literal["worst_case", "clean"]
    n: int
    both: int
    only_job: int
    only_baseline: int
    neither: int
    difference: float = Field(description="Job minus baseline, as a fraction of n.")
    low: float = Field(description="Of the 95 % interval (Tango 1998); it excludes 0 where p_value < 0.05.")
    high: float
    p_value: float = Field(ge=0, le=1, description="Exact McNemar test, two-sided.")
    verdict: Literal["better", "worse", "within_noise"]
