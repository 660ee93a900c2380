"""Validation figures by epoch, in words and rows that every face of the report shares."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import numbers, phrases
from cartl_core.report import Report
from cartl_core.report.history import EpochFigures, History

TITLE = "On the way: validation figures by epoch"
HEAD = ("network", "epoch", "clean accuracy", "robust accuracy", "")
FEW = 20
"""Up to so many epochs each has its row; of more, those on the front, the first, the last and the kept."""
_RULES = {
    "last": "the last epoch is kept, whatever they say.",
    "best_clean": "by them the epoch of the best clean accuracy is kept.",
    "best_robust": "by them the epoch of the best robust accuracy is kept.",
}
_TOO_GOOD = " What was chosen by a figure looks better in it than it is: the test figures count."


def students(report: Report) -> tuple[tuple[str, History], ...]:
    """Each arm's history by the arm's name, the job's own first."""
    arms = [arm for arm in (report.student, *report.baselines) if arm]
    return tuple((phrases.arm(arm), arm.history) for arm in arms if arm.history)


def teachers(report: Report) -> tuple[tuple[str, History], ...]:
    """Each teacher's history by its objective, and by its radius where two differ in that alone."""
    names = [phrases.teacher(teacher) for teacher in report.teachers]
    found = [
        (
            name if names.count(name) == 1 else f"{name}, eps {numbers.radius(teacher.train_eps)}",
            teacher.history,
        )
        for name, teacher in zip(names, report.teachers, strict=True)
    ]
    # Reports of schema 1 may have a teacher without epochs.
    return tuple((name, history) for name, history in found if history.epochs)


def reading(history: History) -> str:
    """How a history was measured, and what it decided."""
    clean, attacked = history.epochs[0].clean.n, history.epochs[0].robust.n
    rule = _RULES.get(
        history.select,
        "by them the most robust epoch is kept of those whose clean accuracy is within "
        f"{100 * history.select_margin:g} point{'' if history.select_margin == 0.01 else 's'} of the best.",
    )
    return (
        f"{numbers.count(clean)} validation images, {numbers.count(attacked)} of them attacked "
        f"(PGD-{history.attack.steps}, eps {numbers.radius(history.attack.eps)}); {rule}"
        f"{'' if history.select == 'last' else _TOO_GOOD}"
    )


def shown(history: History) -> Iterator[EpochFigures]:
    """The epochs that get a row."""
    last = len(history.epochs)
    listed = {1, last, history.selected_epoch, *history.front}
    return (row for row in history.epochs if last <= FEW or row.epoch in listed)


def remark(history: History, epoch: int) -> str:
    """What distinguishes an epoch: that it was kept, or that it lies on the front."""
    said = []
    if epoch == history.selected_epoch:
        said.append("kept")
    if epoch in history.front:
        said.append("on the front")
    return ", ".join(said)
