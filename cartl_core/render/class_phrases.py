"""Phrases for figures that count every class the same."""

from __future__ import annotations

from cartl_core.render.numbers import count, percent
from cartl_core.report.over_classes import BalancedAccuracy, LowestClass, OverClasses

EXPLANATION = (
    "Balanced accuracy is the mean of the classes' accuracies, each class counting the same; its 95 % "
    "interval is recovered from the classes' Wilson intervals (Zou, Huang and Zhang 2009). The interval of "
    "the lowest class is for the lowest of the true accuracies, whichever class has it (Wilson intervals of "
    "all classes at once, Bonferroni)."
)
HEAD = (
    "method",
    "balanced accuracy, no attack",
    "lowest class",
    "balanced robust accuracy, worst case",
    "lowest class, robust",
)


def balanced(found: OverClasses | None) -> str:
    """``61.2 % (55.0 to 67.1)``; empty where nothing was measured."""
    return _of_classes(found.balanced) if found else ""


def lowest_class(found: OverClasses | None) -> str:
    """``Shirt: 31.0 % (20.2 to 44.0), n = 100``; likewise."""
    if found is None:
        return ""
    return f"{found.lowest.name}: {_of_classes(found.lowest)}, n = {count(found.lowest.n)}"


def _of_classes(figure: BalancedAccuracy | LowestClass) -> str:
    return f"{percent(figure.value)} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
