"""What a reader must know before believing the figures, as notices: derived from the job and its results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cartl_core.catalog import METHODS, facts_of, share_of_classes
from cartl_core.catalog.data_facts import is_brought
from cartl_core.report import ArmReport, Teacher
from cartl_core.report.history import History
from cartl_core.report.notices import (
    AttackBeyondTeacher,
    CandidatesLeftOut,
    DataRole,
    DefaultRadius,
    Notice,
    PartialData,
    Resized,
    SourceStandsIn,
    SplitBatches,
    TeacherNotRobust,
    TeacherRadiusUnknown,
    TeacherUnverified,
    TeacherWithoutAttack,
    TeacherWithoutDistance,
    UnsureEpoch,
    WeakTeacher,
)
from cartl_core.report.values import Interval
from cartl_core.spec import DataSpec, JobSpec, ModelSpec
from cartl_core.spec.existing_network import EvaluateJobSpec
from cartl_core.statistics.proportions import standard_error

LEAST_SHARE = 0.25
"""Of its clean accuracy: a teacher whose robust accuracy is surely lower has nothing worth keeping."""
LARGEST_ERROR = 0.03
"""The standard error from which on a choice among epochs is called unsure: some 280 images at one half."""
WEAK_TEACHER = 0.2
"""A robust accuracy on its own source's test images below which a teacher is called weak."""
_JUDGED_BY = {"best_clean": "clean", "best_robust": "robust", "pareto": "robust"}


def transfer_warnings(
    spec: JobSpec,
    teachers: Sequence[Teacher],
    arms: Sequence[ArmReport] = (),
    accumulation_steps: Mapping[str, int] | None = None,
    available: Mapping[DataRole, int | None] | None = None,
) -> tuple[Notice, ...]:
    """What a reader must know before believing the figures of a transfer; each once.

    Args:
        arms: the students that are known.
        accumulation_steps: into how many steps batches had to be cut for memory, by the training's label.
        available: training images of the classes, where the files hold others than the catalog says.
    """
    found = [
        *_of_teachers(spec, teachers),
        *_of_the_given(spec),
        *_of_brought_data(spec),
        *_beyond_the_teacher(spec),
        *_partial_data(spec, available or {}),
        *(_resized("source", spec.source, spec.model) if spec.source else ()),
        *_resized("target", spec.dataset, spec.model),
        *unsure_choices(arms),
        *_split_batches(accumulation_steps or {}),
    ]
    return tuple(dict.fromkeys(found))


def evaluation_warnings(spec: EvaluateJobSpec) -> tuple[Notice, ...]:
    """What a reader must know before believing the figures of an existing network."""
    return (*_default_radius(spec), *_resized("target", spec.dataset, spec.model))


def nothing_to_keep(clean: Interval, robust: Interval, classes: int) -> bool:
    """Whether a teacher is not robust: surely under a quarter of its clean accuracy, or under chance.

    Surely: the upper end of the 95 % Wilson interval is. Both at the radius that it was trained at.
    """
    return robust.high < max(LEAST_SHARE * clean.value, 1 / classes)


def not_robust(spec: JobSpec, teachers: Sequence[Teacher]) -> Iterator[Notice]:
    """Teachers that have no robustness to keep; known once they are trained."""
    made_for_it = any(arm.transfer.schedule == "epsilon" for arm in spec.arms)
    for teacher in teachers:
        if teacher.train_eps == 0:
            yield TeacherWithoutAttack(objective=teacher.objective, epsilon_schedule=made_for_it)
        elif is_not_robust(spec, teacher):
            clean, robust = _kept(teacher)
            yield TeacherNotRobust(
                objective=teacher.objective,
                eps=teacher.train_eps,
                clean=clean,
                robust=robust,
                epsilon_schedule=made_for_it,
            )


def is_not_robust(spec: JobSpec, teacher: Teacher) -> bool:
    """By its validation images, at the epoch that was kept."""
    return spec.source is not None and nothing_to_keep(*_kept(teacher), _classes(spec.source))


def unsure_choices(arms: Sequence[ArmReport]) -> Iterator[Notice]:
    """Students whose epoch was chosen by so few validation images that chance had a say in it."""
    for arm in arms:
        figure = _chosen_by(arm.history) if arm.history else None
        if figure is None:
            continue
        error = standard_error(figure)
        if error > LARGEST_ERROR:
            yield UnsureEpoch(method=arm.method, settings=arm.settings, n=figure.n, standard_error=error)


def _chosen_by(history: History) -> Interval | None:
    judged = _JUDGED_BY.get(history.select)
    if judged is None or len(history.epochs) < 2:
        return None
    figure: Interval = getattr(history.epochs[history.selected_epoch - 1], judged)
    return figure


def _kept(teacher: Teacher) -> tuple[Interval, Interval]:
    row = teacher.history.epochs[teacher.history.selected_epoch - 1]
    return row.clean, row.robust


def _classes(source: DataSpec) -> int:
    return len(source.classes or facts_of(source).classes)


def _of_teachers(spec: JobSpec, teachers: Sequence[Teacher]) -> Iterator[Notice]:
    yield from not_robust(spec, teachers)
    yield from _weak([teacher for teacher in teachers if not is_not_robust(spec, teacher)])


def _weak(teachers: Sequence[Teacher]) -> Iterator[Notice]:
    for teacher in teachers:
        worst = teacher.figures.worst_case if teacher.figures else None
        if worst is not None and worst.value < WEAK_TEACHER:
            yield WeakTeacher(objective=teacher.objective, robust=worst)


def _of_the_given(spec: JobSpec) -> Iterator[Notice]:
    """What is not known of a teacher that was given, and what it rules out."""
    teacher = spec.teacher
    if teacher is None:
        return
    if teacher.verification is None:
        yield TeacherUnverified(teacher=teacher.name)
    if teacher.eps_from == "target":
        yield TeacherRadiusUnknown(teacher=teacher.name, eps=teacher.eps)
    as_it_is = (arm.method for arm in spec.arms if arm.pretrain is None)
    methods = tuple(dict.fromkeys(name for name in as_it_is if METHODS[name].objective == "fdm"))
    if methods:
        yield TeacherWithoutDistance(teacher=teacher.name, methods=methods)
    if spec.auto is not None and spec.auto.left_out:
        yield CandidatesLeftOut(left_out=spec.auto.left_out)


def _of_brought_data(spec: JobSpec) -> Iterator[Notice]:
    """What is a default on images that a person brought."""
    if spec.source is not None and takes_default_source(spec):
        yield SourceStandsIn(source=spec.source.name, target=spec.dataset.name)
    yield from _default_radius(spec)


def takes_default_source(spec: JobSpec) -> bool:
    """Whether the teacher of a job on images that a person brought learns from a stand-in of the catalog."""
    source = spec.source
    return (
        is_brought(spec.dataset)
        and spec.teacher is None
        and source is not None
        and source.classes is None
        and source.name == facts_of(spec.dataset).default_source
    )


def _default_radius(spec: JobSpec | EvaluateJobSpec) -> Iterator[Notice]:
    """Where an attack is at the radius that these images have by default."""
    eps = facts_of(spec.dataset).eval_eps
    made = (attack.eps for attack in spec.evaluate.attacks if attack.norm == "linf")
    if is_brought(spec.dataset) and eps in made:
        yield DefaultRadius(target=spec.dataset.name, eps=eps)


def _beyond_the_teacher(spec: JobSpec) -> Iterator[Notice]:
    for arm in spec.arms:
        trained = arm.inner_eps * arm.farthest
        for attack in (*spec.evaluate.attacks, *spec.evaluate.source_attacks):
            if attack.norm == "linf" and attack.eps > trained * (1 + 1e-9):
                yield AttackBeyondTeacher(attack=attack.label, eps=attack.eps, train_eps=trained)


def _partial_data(spec: JobSpec, available: Mapping[DataRole, int | None]) -> Iterator[Notice]:
    """Said where the limit leaves images out; a data set that has fewer is used whole."""
    roles: dict[DataRole, DataSpec | None] = {"source": spec.source, "target": spec.dataset}
    for role, data in roles.items():
        if data is None:
            continue
        counted = available.get(role)
        there = share_of_classes(data, facts_of(data).train_images) if counted is None else counted
        if data.train_limit is not None and data.train_limit < there:
            yield PartialData(
                role=role,
                used=data.train_limit,
                available=there,
                approximate=counted is None and data.classes is not None,
            )


def _resized(role: DataRole, data: DataSpec, model: ModelSpec) -> Iterator[Notice]:
    facts = facts_of(data)
    if (facts.image_size, facts.channels) != (model.image_size, model.channels):
        yield Resized(
            role=role,
            data_size=facts.image_size,
            input_size=model.image_size,
            data_channels=facts.channels,
            input_channels=model.channels,
        )


def _split_batches(accumulation_steps: Mapping[str, int]) -> Iterator[Notice]:
    for label, count in accumulation_steps.items():
        if count > 1:
            yield SplitBatches(stage=label, parts=count)
