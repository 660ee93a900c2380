"""Which notice a warning of a report of schema 1 is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cartl_core.catalog import facts_of, share_of_classes
from cartl_core.render.sentences import notice
from cartl_core.report import ArmReport, Report, Teacher
from cartl_core.report.notices import (
    AttackBeyondTeacher,
    DataRole,
    ImagesLeftOut,
    Notice,
    OtherNotice,
    PartialData,
    Resized,
    RuntimeChanged,
    SplitBatches,
    TeacherNotRobust,
    TeacherWithoutAttack,
    UnsureEpoch,
    WeakTeacher,
)
from cartl_core.spec import DataSpec, JobSpec
from cartl_core.statistics.proportions import standard_error

_SPLIT = re.compile(r"While (.+) was trained a whole batch .* over ([2-9]|[1-9]\d+) parts of each batch\..*")
_LEFT_OUT = re.compile(
    r"([1-9]\d*) images? of the source (\S+) (?:is|are) also in the target (\S+), pixel .*"
)
_CHANGED = re.compile(r"An earlier attempt ran on another machine or other versions \((.+) differ\), .*")


def read_notice(sentence: str, report: Report) -> Notice:
    """The notice that says ``sentence``: one of those that the report's numbers allow, or ``other``.

    Args:
        report: all of it but its warnings.
    """
    candidates = (*_of_teachers(report), *_of_the_spec(report), *_of_students(report), *_as_read(sentence))
    return next((found for found in candidates if notice(found) == sentence), OtherNotice(text=sentence))


def _of_teachers(report: Report) -> Iterator[Notice]:
    for teacher in report.teachers:
        worst = teacher.figures.worst_case if teacher.figures else None
        if worst is not None:
            yield WeakTeacher(objective=teacher.objective, robust=worst)
        for scheduled in (False, True):
            yield TeacherWithoutAttack(objective=teacher.objective, epsilon_schedule=scheduled)
            yield from _not_robust(teacher, scheduled)


def _not_robust(teacher: Teacher, scheduled: bool) -> Iterator[Notice]:
    if teacher.history.epochs:
        row = teacher.history.epochs[teacher.history.selected_epoch - 1]
        yield TeacherNotRobust(
            objective=teacher.objective,
            eps=teacher.train_eps,
            clean=row.clean,
            robust=row.robust,
            epsilon_schedule=scheduled,
        )


def _of_the_spec(report: Report) -> Iterator[Notice]:
    spec, model = report.spec, report.spec.model
    sides: list[tuple[DataRole, DataSpec]] = [("target", spec.dataset)]
    if isinstance(spec, JobSpec):
        if spec.source is not None:
            sides.append(("source", spec.source))
        for arm in spec.arms:
            trained = arm.inner_eps * arm.farthest
            for attack in (*spec.evaluate.attacks, *spec.evaluate.source_attacks):
                yield AttackBeyondTeacher(attack=attack.label, eps=attack.eps, train_eps=trained)
    for role, data in sides:
        facts = facts_of(data)
        yield Resized(
            role=role,
            data_size=facts.image_size,
            input_size=model.image_size,
            data_channels=facts.channels,
            input_channels=model.channels,
        )
        if data.train_limit is not None:
            yield PartialData(
                role=role,
                used=data.train_limit,
                available=share_of_classes(data, facts.train_images),
                approximate=data.classes is not None,
            )


def _of_students(report: Report) -> Iterator[Notice]:
    for arm in (report.student, *report.baselines):
        if arm is not None:
            yield from _unsure(arm)


def _unsure(arm: ArmReport) -> Iterator[Notice]:
    if arm.history is not None:
        row = arm.history.epochs[arm.history.selected_epoch - 1]
        for figure in (row.clean, row.robust):
            yield UnsureEpoch(
                method=arm.method,
                settings=arm.settings,
                n=figure.n,
                standard_error=standard_error(figure),
            )


def _as_read(sentence: str) -> Iterator[Notice]:
    """What no number of the report tells, as the sentence itself has it."""
    if split := _SPLIT.fullmatch(sentence):
        yield SplitBatches(stage=split[1], parts=int(split[2]))
    if left := _LEFT_OUT.fullmatch(sentence):
        yield ImagesLeftOut(source=left[2], target=left[3], count=int(left[1]))
    if changed := _CHANGED.fullmatch(sentence):
        yield RuntimeChanged(changed=tuple(changed[1].split(", ")))
