"""Two networks on the same test images, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from cartl_core.render import numbers
from cartl_core.report import PairedComparison
from cartl_core.statistics.proportions import mcnemar, paired_difference

ALPHA = 0.05


_MEASURED = {"worst_case": "robust accuracy", "clean": "clean accuracy"}


def compare(
    what: Literal["worst_case", "clean"],
    job: tuple[str, Sequence[bool]],
    baseline: tuple[str, Sequence[bool]],
) -> PairedComparison:
    """The job's student against a baseline's, each with its name, on the same images, image by image.

    The verdict is "within_noise" unless McNemar's exact test gives p < 0.05.
    """
    pairs = list(zip(job[1], baseline[1], strict=True))
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
        words=_in_words(what, job[0], baseline[0], (difference, low, high), p_value, verdict),
    )


def _in_words(
    what: str,
    own: str,
    rival: str,
    interval: tuple[float, float, float],
    p_value: float,
    verdict: str,
) -> str:
    difference, low, high = interval
    measured = _MEASURED[what]
    evidence = (
        f"95 % interval {numbers.points(low)} to {numbers.points(high)} points, McNemar p {_p(p_value)}"
    )
    if verdict == "within_noise":
        return (
            f"The difference in {measured} between {own} and {rival} is within noise "
            f"({numbers.points(difference)} points, {evidence})."
        )
    side = "more" if verdict == "better" else "less"
    gained = f"{abs(100 * difference):.1f} points {side} {measured}"
    return f"{numbers.capital(own)} keeps {gained} than {rival} ({evidence})."


def _p(p_value: float) -> str:
    return "< 0.0001" if p_value < 1e-4 else f"= {p_value:.2g}"
