"""A paired comparison of two networks on the same test images, as a value of the report."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.report_values import Value


class PairedComparison(Value):
    """Job against baseline on the same test images: robust (or right) or not, image by image."""

    what: Literal["worst_case", "clean"]
    n: int
    both: int
    only_job: int
    only_baseline: int
    neither: int
    difference: float = Field(description="Job minus baseline, as a fraction of n.")
    low: float
    high: float
    p_value: float = Field(ge=0, le=1, description="Exact McNemar test, two-sided.")
    verdict: Literal["better", "worse", "within_noise"]
    words: str
