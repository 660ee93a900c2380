"""How a student compares: with a baseline on the same images, and with its teacher across data sets."""

from __future__ import annotations

from collections.abc import Sequence

from cartl_core.render import numbers, phrases
from cartl_core.report import ArmReport, PairedComparison
from cartl_core.report.comparisons import AttackPair

_MEASURED = {"worst_case": "robust accuracy", "clean": "clean accuracy"}


def comparison(found: PairedComparison, student: ArmReport, baseline: ArmReport) -> str:
    """What was found of the job's own ``student`` against ``baseline``, with its evidence."""
    own, other, measured = phrases.arm(student), phrases.arm(baseline), _MEASURED[found.what]
    evidence = (
        f"95 % interval {numbers.points(found.low)} to {numbers.points(found.high)} points, "
        f"McNemar p {p_value(found.p_value)}"
    )
    if found.verdict == "within_noise":
        return (
            f"The difference in {measured} between {own} and {other} is within noise "
            f"({numbers.points(found.difference)} points, {evidence})."
        )
    side = "more" if found.verdict == "better" else "less"
    gained = f"{abs(100 * found.difference):.1f} points {side} {measured}"
    return f"{numbers.capital(own)} keeps {gained} than {other} ({evidence})."


def p_value(value: float) -> str:
    """``= 0.0022``, or ``< 0.0001``."""
    return "< 0.0001" if value < 1e-4 else f"= {value:.2g}"


def retention(arm: ArmReport) -> str | None:
    """How much of its teacher's robustness a student has; None where that is not known."""
    found = arm.kept
    if found is None:
        return None
    under = ", ".join(pair.target for pair in found.attacks)
    return (
        f"{found.ratio:.2f} of its teacher's robust accuracy on the source (95 % interval {found.low:.2f} to "
        f"{found.high:.2f}): {numbers.percent(found.target.value)} of {numbers.count(found.target.n)} target "
        f"images over {numbers.percent(found.source.value)} of {numbers.count(found.source.n)} source "
        f"images, both under {under}{_radii(found.attacks)}. Across data sets: other images and classes, so "
        "a level carried over, not a comparison of networks."
    )


def _radii(attacks: Sequence[AttackPair]) -> str:
    """Empty where both sides have one radius."""
    if all(pair.target_eps == pair.source_eps for pair in attacks):
        return ""
    own = "; ".join(dict.fromkeys(numbers.radius(pair.target_eps) for pair in attacks))
    other = "; ".join(dict.fromkeys(numbers.radius(pair.source_eps) for pair in attacks))
    return f", at eps {own} on the target and {other} on the source"
