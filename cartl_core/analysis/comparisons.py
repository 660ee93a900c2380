"""Two networks on the same test images, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from cartl_core.report import PairedComparison
from cartl_core.statistics.proportions import mcnemar, paired_difference

ALPHA = 0.05
"""A difference whose p-value is not below it is within noise."""


def compare(
    what: Literal["worst_case", "clean"], job: Sequence[bool], baseline: Sequence[bool]
) -> PairedComparison:
    """The job's student against a baseline's on the same images, image by image: robust (or right) or not.

    The verdict is "within_noise" unless McNemar's exact test gives p < 0.05, which is where the interval
    excludes 0.
    """
    pairs = list(zip(job, baseline, strict=True))
    counts = {
        cell: pairs.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))
    }
    only_job, only_baseline = counts[True, False], counts[False, True]
    difference, low, high = paired_difference(only_job, only_baseline, len(pairs))
    p_value = mcnemar(only_job, only_baseline)
    verdict: Literal["better", "worse", "within_noise"] = "within_noise"
    if p_value < ALPHA:
        verdict = "better" if difference > 0 else "worse"
    return PairedComparison(
        what=what,
        n=len(pairs),
        both=counts[True, True],
        only_job=only_job,
        only_baseline=only_baseline,
        neither=counts[False, False],
        difference=difference,
        low=low,
        high=high,
        p_value=p_value,
        verdict=verdict,
    )
