"""What the `quick` preset promises on the Fashion-MNIST pair, checked against a finished report.

A teacher that is not robust, or a student that is not accurate, would make every comparison in the
report meaningless; so the demo measures both and fails when they are missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cartl_core.render.numbers import radius
from cartl_core.report import AttackResult, Report, Teacher

TEACHER_ROBUST = 0.50
STUDENT_CLEAN = 0.85
MIN_STEPS = 20


@dataclass(frozen=True)
class AcceptanceCriterion:
    """One promise: what, how much is promised, and what was measured (fractions; None: not measured)."""

    what: str
    least: float
    measured: float | None

    @property
    def met(self) -> bool:
        """True when it was measured and is at least what was promised."""
        return self.measured is not None and self.measured >= self.least

    @property
    def words(self) -> str:
        """A line for people."""
        measured = "was not measured" if self.measured is None else f"is {self.measured:.1%}"
        return f"{'kept' if self.met else 'BROKEN'}: {self.what} {measured} (promised: {self.least:.0%})"


def acceptance_criteria(report: Report) -> tuple[AcceptanceCriterion, ...]:
    """Every promise of the preset, as this report answers it."""
    figures = report.student.figures if report.student else None
    clean = figures.clean.value if figures else None
    return (
        *_of_teachers(report.teachers),
        AcceptanceCriterion("the student's clean accuracy on the target", STUDENT_CLEAN, clean),
    )


def _of_teachers(teachers: tuple[Teacher, ...]) -> Iterator[AcceptanceCriterion]:
    if not teachers:
        yield AcceptanceCriterion("a teacher's robust accuracy on its source", TEACHER_ROBUST, None)
    for teacher in teachers:
        attack = _strong_enough(teacher)
        name = attack.label if attack else f"PGD-{MIN_STEPS}"
        yield AcceptanceCriterion(
            f"the {teacher.objective} teacher's robust accuracy on its source ({name}, "
            f"eps {radius(teacher.train_eps)})",
            TEACHER_ROBUST,
            attack.robust.value if attack else None,
        )


def _strong_enough(teacher: Teacher) -> AttackResult | None:
    """The first Linf PGD of at least 20 steps at no less than the radius that the teacher was trained for."""
    attacks = teacher.figures.attacks if teacher.figures else ()
    return next(
        (
            a
            for a in attacks
            if (a.name, a.norm) == ("pgd", "linf") and a.steps >= MIN_STEPS and a.eps >= teacher.train_eps
        ),
        None,
    )
