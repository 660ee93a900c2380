"""How a choice among candidates is said. One place, so that faces agree."""

from __future__ import annotations

from cartl_core.render import numbers, phrases
from cartl_core.report import Report
from cartl_core.report.selection import Candidate, Selection

COLUMNS = (
    "candidate",
    "method",
    "frozen",
    "k",
    "epoch kept",
    "clean, validation",
    "robust, validation",
    "clean enough",
    "surely ahead of plain",
    "on the front",
)
"""Of the table of candidates."""


def subject(report: Report) -> str:
    """What a report is about: a method, the given network, or what is still to be chosen."""
    if report.spec.kind == "evaluate":
        return phrases.method(None)
    arm = report.own_arm
    return phrases.method(arm.method) if arm else "automatic choice"


def selection(found: Selection) -> str:
    """On what candidates were compared, and by which attack."""
    images = (
        f"{numbers.count(found.n)} validation images" if found.n else "validation images, none measured yet"
    )
    return (
        f"Compared on {images}, on which each candidate's epoch was chosen too: these figures flatter, and "
        f"say nothing of test images. Attack: {phrases.tried(found.attack, found.seed)}."
    )


def candidate(found: Candidate) -> str:
    """Its method, and the settings in which it differs from others of that method."""
    return phrases.named(found.method, found.settings)


def epoch(found: Candidate) -> str:
    """``4 of 12``."""
    return f"{found.selected_epoch} of {found.epochs}" if found.selected_epoch else phrases.UNKNOWN


def role(found: Candidate) -> str:
    """What became of a candidate; empty for most."""
    roles = [name for name, is_so in (("chosen", found.chosen), ("best plain", found.best_plain)) if is_so]
    return ", ".join(roles)


def ahead(found: Candidate) -> str:
    """Whether it is ahead of the best plain candidate beyond chance; a dash for plain ones."""
    return "-" if found.plain else yes(found.leads)


def yes(known: bool | None) -> str:
    """``yes``, ``no``, or not yet known."""
    return phrases.UNKNOWN if known is None else "yes" if known else "no"


def chosen_on(report: Report) -> str:
    """What was chosen before test images were read: the beginning of a sentence."""
    return "Epochs and the candidate were chosen" if report.selection else "Epochs were chosen"
