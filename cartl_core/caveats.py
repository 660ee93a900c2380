"""What validation images tell before anything is tested: nothing to keep, or too few images to choose by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cartl_core.catalog import DATASETS
from cartl_core.render import words
from cartl_core.report import ArmReport, Teacher
from cartl_core.report_history import History
from cartl_core.report_values import Interval
from cartl_core.spec import DataSpec, JobSpec

LEAST_SHARE = 0.25
"""Of its clean accuracy: a teacher whose robust accuracy is surely lower has nothing worth keeping."""
LARGEST_ERROR = 0.03
"""The standard error from which on a choice among epochs is called unsure: some 280 images at one half."""
_TWO_SIDED_95 = 1.96
_JUDGED_BY = {"best_clean": "clean", "best_robust": "robust", "pareto": "robust"}


def nothing_to_keep(clean: Interval, robust: Interval, classes: int) -> bool:
    """Whether a teacher is not robust: surely under a quarter of its clean accuracy, or under chance.

    Surely: the upper end of the 95 % Wilson interval is. Both at the radius that it was trained at.
    """
    return robust.high < max(LEAST_SHARE * clean.value, 1 / classes)


def not_robust(spec: JobSpec, teachers: Sequence[Teacher]) -> Iterator[str]:
    """Teachers that have no robustness to keep, with what works from there; known once they are trained."""
    for teacher in teachers:
        if teacher.train_eps == 0:
            yield (
                f"The {teacher.objective} teacher was trained without an attack (eps 0), so it has no "
                f"robustness to keep. {_offer(spec)}"
            )
        elif is_not_robust(spec, teacher):
            clean, robust = _kept(teacher)
            yield (
                f"The {teacher.objective} teacher is not robust: {words.interval(robust)} robust accuracy at "
                f"eps {words.radius(teacher.train_eps)}, at {words.percent(clean.value)} clean accuracy, on "
                f"{words.count(robust.n)} validation images of its own source. There is nothing to keep. "
                f"{_offer(spec)}"
            )


def is_not_robust(spec: JobSpec, teacher: Teacher) -> bool:
    """By its validation images, at the epoch that was kept; False where they are not known."""
    if teacher.history is None:
        return False
    return nothing_to_keep(*_kept(teacher), _classes(spec.source))


def unsure_choices(arms: Sequence[ArmReport]) -> Iterator[str]:
    """Students whose epoch was chosen by so few validation images that chance had a say in it."""
    for arm in arms:
        figure = _chosen_by(arm.history) if arm.history else None
        if figure is None:
            continue
        error = standard_error(figure)
        if error > LARGEST_ERROR:
            yield (
                f"The epoch of {words.arm(arm)} was chosen by {words.count(figure.n)} validation "
                f"images: the standard error of what it was chosen by is {100 * error:.1f} points, and "
                "epochs that differ by less may be told apart by chance. Give the target more images, a "
                "larger validation_fraction or validate_images, or settle on `select: last` beforehand."
            )


def standard_error(figure: Interval) -> float:
    """Of an accuracy, as a fraction: half its 95 % Wilson interval over 1.96, so it is never 0."""
    return (figure.high - figure.low) / (2 * _TWO_SIDED_95)


def _chosen_by(history: History) -> Interval | None:
    judged = _JUDGED_BY.get(history.select)
    if judged is None or len(history.epochs) < 2:
        return None
    figure: Interval = getattr(history.epochs[history.selected_epoch - 1], judged)
    return figure


def _kept(teacher: Teacher) -> tuple[Interval, Interval]:
    assert teacher.history is not None
    row = teacher.history.epochs[teacher.history.selected_epoch - 1]
    return row.clean, row.robust


def _classes(source: DataSpec) -> int:
    return len(source.classes or DATASETS[source.name].classes)


def _offer(spec: JobSpec) -> str:
    if any(arm.transfer.schedule == "epsilon" for arm in spec.arms):
        return "Of what this job runs only `adversarial` with `schedule: epsilon` is made for such teachers."
    return (
        "What works from such a teacher is `method: adversarial` with `transfer.schedule: epsilon`, which "
        "makes the student robust on the target itself, at the cost of adversarial training there."
    )
