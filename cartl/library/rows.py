"""Rows of the tables that notebooks show: a network, its clean and its robust accuracy, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cartl_core.render import numbers, phrases
from cartl_core.report import ArmReport, Figures, Interval, Report


@dataclass(frozen=True)
class FigureRow:
    """One network of a report.

    Attributes:
        job: id of the job.
        name: of the job, as its owner gave it; empty without one.
        network: how it was made, e.g. `CARTL`.
        data: data set and classes of the test images.
        clean: accuracy without an attack; None before it was measured.
        robust: accuracy in the worst case over all attacks; likewise.
        attacks: labels and radii of the attacks.
        images: fingerprint of the test images; rows with the same one were measured on the same images.
    """

    job: str
    name: str
    network: str
    data: str
    clean: Interval | None
    robust: Interval | None
    attacks: str
    images: str

    def record(self) -> dict[str, Any]:
        """Flat, for a data frame: fractions, and None where nothing was measured."""
        return {
            "job": self.job,
            "name": self.name,
            "network": self.network,
            "data": self.data,
            **_columns("clean", self.clean),
            **_columns("robust", self.robust),
            "attacks": self.attacks,
        }


def _columns(name: str, found: Interval | None) -> dict[str, Any]:
    return {
        name: found.value if found else None,
        f"{name}_low": found.low if found else None,
        f"{name}_high": found.high if found else None,
        f"{name}_n": found.n if found else None,
    }


def rows_of(report: Report, job: str) -> tuple[FigureRow, ...]:
    """The student of a report on all its data sets, then its baselines."""
    name, student = report.spec.name or "", report.student
    further = [(student, one.figures) for one in report.further] if student else []
    measured = [*([(student, student.figures)] if student else []), *further]
    measured += [(arm, arm.figures) for arm in report.baselines]
    return tuple(_row(arm, figures, job, name) for arm, figures in measured)


def _row(arm: ArmReport, figures: Figures | None, job: str, name: str) -> FigureRow:
    attacks = (
        [f"{attack.label} ({numbers.radius(attack.eps)})" for attack in figures.attacks] if figures else []
    )
    return FigureRow(
        job=job,
        name=name,
        network=phrases.arm(arm),
        data=figures.data if figures else "",
        clean=figures.clean if figures else None,
        robust=figures.worst_case if figures else None,
        attacks=", ".join(attacks),
        images=figures.data_fingerprint if figures else "",
    )
