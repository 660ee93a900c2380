"""Captions and texts in place of pictures: every figure says what it was measured on and how.

A caption carries n, attacks, norm, radius, step, steps, restarts, seed and interval, so that a figure
which is cut out of its report keeps its evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.render import words
from cartl_core.report import Figures, Report

INTERVALS = "95\u00a0% Wilson intervals"


@dataclass(frozen=True)
class Caption:
    """The words around a picture."""

    reading: str
    """How to read it: stands below it."""
    aloud: str
    """What it shows, for who cannot see it."""
    evidence: str
    """How it was measured: n, attack, norm, radius, step, steps, restarts, seed, interval; drawn inside."""


def measured(figures: Figures) -> str:
    """``n = 1,000 test images, ...; worst case per image over pgd20: ...``."""
    under = f"; worst case per image over {words.attacks(figures.attacks)}" if figures.attacks else ""
    return f"n = {words.count(figures.n)} test images, {figures.data}{under}; {INTERVALS}"


def per_class(report: Report) -> Caption | None:
    """Of the bars class by class."""
    figures = report.student.figures if report.student else None
    if not figures or not figures.per_class:
        return None
    rows = figures.per_class
    least = min(rows, key=lambda row: row.worst_case.value)
    most = max(rows, key=lambda row: row.worst_case.value)
    return Caption(
        reading="Grey: without an attack. Blue: robust, the worst case of all attacks. Diamond: the first "
        "baseline's worst case. Whiskers: 95\u00a0% Wilson intervals, each class on its own images.",
        aloud=f"Bars of accuracy with and without attacks for {len(rows)} classes. Robust accuracy is lowest "
        f"for {least.name} ({words.percent(least.worst_case.value)}) and highest for {most.name} "
        f"({words.percent(most.worst_case.value)}). The numbers are in the table below.",
        evidence=f"{measured(figures)}, each class on its own images.",
    )
