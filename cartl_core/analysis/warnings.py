"""What validation images tell before anything is tested: nothing to keep, or too few images to choose by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cartl_core.catalog import DATASETS, share_of_classes
from cartl_core.render import numbers, phrases
from cartl_core.report import ArmReport, Teacher
from cartl_core.report.history import History
from cartl_core.report.selection import Selection
from cartl_core.report.values import Interval
from cartl_core.spec import DataSpec, JobSpec
from cartl_core.spec.existing_network import EvaluateJobSpec

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
                f"The {teacher.objective} teacher is not robust: {numbers.interval(robust)} robust "
                "accuracy at "
                f"eps {numbers.radius(teacher.train_eps)}, at {numbers.percent(clean.value)} clean "
                "accuracy, on "
                f"{numbers.count(robust.n)} validation images of its own source. There is nothing to keep. "
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
                f"The epoch of {phrases.arm(arm)} was chosen by {numbers.count(figure.n)} validation "
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


WEAK_TEACHER = 0.2


def broken_promise(chosen: Selection | None) -> tuple[str, ...]:
    """What a run promised and did not keep, or may not have kept."""
    found = chosen.promise if chosen else None
    return (found.words,) if found and found.verdict in ("broken", "unclear") else ()


def warnings(
    spec: JobSpec | EvaluateJobSpec,
    teachers: Sequence[Teacher],
    arms: Sequence[ArmReport] = (),
    parts: Mapping[str, int] | None = None,
) -> tuple[str, ...]:
    """What a reader must know before believing the figures.

    Args:
        arms: the students that are known.
        parts: into how many parts batches had to be cut for memory, by the training's label.
    """
    found = [
        *(_of_a_transfer(spec, teachers) if isinstance(spec, JobSpec) else ()),
        *_resized(spec),
        *unsure_choices(arms),
        *_in_parts(parts or {}),
    ]
    return tuple(dict.fromkeys(found))


def _of_a_transfer(spec: JobSpec, teachers: Sequence[Teacher]) -> Iterator[str]:
    yield from not_robust(spec, teachers)
    yield from _weak([teacher for teacher in teachers if not is_not_robust(spec, teacher)])
    yield from _beyond_the_teacher(spec)
    yield from _partial_data(spec)


def _beyond_the_teacher(spec: JobSpec) -> Iterator[str]:
    for arm in spec.arms:
        trained = arm.pretrain.attack.eps * max(arm.pretrain.radii)
        for attack in (*spec.evaluate.attacks, *spec.evaluate.source_attacks):
            if attack.norm == "linf" and attack.eps > trained * (1 + 1e-9):
                yield (
                    f"Attack {attack.label} has eps {numbers.radius(attack.eps)}, more than the "
                    f"{numbers.radius(trained)} that the teacher was trained at: beyond its teacher's radius "
                    "a student can be less robust than plain transfer."
                )


def _partial_data(spec: JobSpec) -> Iterator[str]:
    """Said where the limit leaves images out; a data set that has fewer is used whole."""
    for role, data in (("source", spec.source), ("target", spec.dataset)):
        there = share_of_classes(data, DATASETS[data.name].train_images)
        if data.train_limit is not None and data.train_limit < there:
            yield (
                f"{numbers.count(data.train_limit)} of {'' if data.classes is None else 'about '}"
                f"{numbers.count(there)} training images of the {role} were used (train_limit), validation "
                "images included."
            )


def _resized(spec: JobSpec | EvaluateJobSpec) -> Iterator[str]:
    model = spec.model
    source = [("source", spec.source)] if isinstance(spec, JobSpec) else []
    for role, data in (*source, ("target", spec.dataset)):
        facts = DATASETS[data.name]
        changes = []
        if facts.image_size != model.image_size:
            changes.append(f"resized from {facts.image_size} to {model.image_size} pixels")
        if facts.channels != model.channels:
            changes.append(f"given {model.channels} channels instead of {facts.channels}")
        if changes:
            yield (
                f"The {role}'s images are {' and '.join(changes)}; the adversary perturbs the network's "
                "input after that, all channels independently."
            )


def _weak(teachers: Sequence[Teacher]) -> Iterator[str]:
    for teacher in teachers:
        worst = teacher.figures.worst_case if teacher.figures else None
        if worst is not None and worst.value < WEAK_TEACHER:
            yield (
                f"The {teacher.objective} teacher is weak: {numbers.percent(worst.value)} robust accuracy on "
                "its own source. There is little robustness to keep, and comparisons say little."
            )


def _in_parts(parts: Mapping[str, int]) -> Iterator[str]:
    for label, count in parts.items():
        if count > 1:
            yield (
                f"While {label} was trained a whole batch did not fit into memory, so from then on gradients "
                f"were added up over {count} parts of each batch. Batch norm that goes by the batch took its "
                "statistics from the parts, so a larger device gives other numbers for this specification."
            )
