"""The methods of a report as its page shows them: each with its name and its colour."""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.render import phrases
from cartl_core.render.figure import COLOURS
from cartl_core.report import ArmReport, Figures, Report


@dataclass(frozen=True)
class ShownArm:
    """One method on the page."""

    report: ArmReport
    name: str
    tone: str
    """The class of its bars and of its dot, which has its colour: see ``figure.COLOURS``."""
    own: bool
    """It is the job's own student, not a baseline."""

    @property
    def figures(self) -> Figures | None:
        """What was measured of it; None before that."""
        return self.report.figures


def shown_arms(report: Report) -> tuple[ShownArm, ...]:
    """The job's own student first, then the baselines."""
    found = [arm for arm in (report.student, *report.baselines) if arm is not None]
    return tuple(
        ShownArm(arm, phrases.arm(arm), f"arm{place % len(COLOURS)}", own=arm is report.student)
        for place, arm in enumerate(found)
    )
