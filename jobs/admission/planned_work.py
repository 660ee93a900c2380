"""The stages of a job as they are planned: what each costs, and which it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cartl_core.catalog.candidates import plain_ones
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.planning.estimates.costs import Cost
from cartl_core.planning.estimates.work import (
    of_attack,
    of_diagnostic,
    of_import,
    of_student,
    of_teacher,
    outside_stages,
)
from cartl_core.spec import Arm, AttackSpec, DataSpec, EvaluateSpec, JobSpec, ModelSpec, PretrainSpec
from cartl_core.spec.existing_network import EvaluateJobSpec
from jobs.admission.image_counts import classes_of, images_of, test_images, validation_images
from jobs.admission.network_size import Size, network_size

BYTES_PER_NUMBER = 4
# A stage keeps its result and two checkpoints; each of those has weights, momentum and, as a rule, up to
# three epochs that may still be chosen.
COPIES_PER_STAGE = 1 + 2 * 5
REPORT_BYTES = 1_000_000
LEVELS = TEACHERS, STUDENTS, MEASUREMENTS = range(3)
"""Of a stage: it needs one of the level before."""


@dataclass(frozen=True)
class PlannedStage:
    """A stage, and the network that goes through it.

    Attributes:
        level: one of ``LEVELS``, what it waits for; None before the first stage and after the last one.
    """

    cost: Cost
    model: ModelSpec
    level: int | None


@dataclass(frozen=True)
class PlannedWork:
    """All that one job does, or several.

    Attributes:
        disk_bytes: of stages and artifacts.
        teachers: distinct ones that are trained.
    """

    stages: Sequence[PlannedStage]
    disk_bytes: int
    teachers: int


def work_of_jobs(specs: Sequence[JobSpec]) -> PlannedWork:
    """Arms with equal teachers share one, within a job and across jobs."""
    teachers = {
        (_teacher_key(arm, arm.pretrain), spec.source, spec.model, spec.teacher, spec.seed): (
            arm.pretrain,
            spec.source,
            spec,
        )
        for spec in specs
        for arm in spec.arms
        if arm.pretrain is not None and spec.source is not None
    }
    stages: list[PlannedStage] = []
    disk = len(specs) * REPORT_BYTES
    for pretrain, source, spec in teachers.values():
        trained, *measured_too = _teacher_costs(pretrain, source, spec.evaluate)
        stages.append(PlannedStage(trained, spec.model, TEACHERS))
        stages += [PlannedStage(cost, spec.model, STUDENTS) for cost in measured_too]
        disk += _disk(1, network_size(spec.model, classes_of(source)))
    for spec in specs:
        arms = dict.fromkeys(spec.arms)
        images = images_of(spec.dataset)
        stages += [PlannedStage(of_student(arm, spec.model, images), spec.model, STUDENTS) for arm in arms]
        stages += [PlannedStage(cost, spec.model, MEASUREMENTS) for cost in _target_costs(spec)]
        stages += _outside(spec)
        disk += _disk(len(arms), network_size(spec.model, classes_of(spec.dataset)))
    return PlannedWork(stages, disk, len(teachers))


def work_of_evaluation(spec: EvaluateJobSpec) -> PlannedWork:
    """Of measuring a network that exists, on every data set."""
    costs = [
        cost for alone in spec.on_each() for cost in _measurements(alone.evaluate, alone.dataset, own=True)
    ]
    stages = [PlannedStage(cost, spec.model, MEASUREMENTS) for cost in (of_import(), *costs)]
    student = network_size(spec.model, classes_of(spec.dataset))
    disk = student.parameters * BYTES_PER_NUMBER + REPORT_BYTES
    return PlannedWork([*stages, *_outside(spec)], disk, 0)


def _outside(spec: JobSpec | EvaluateJobSpec) -> list[PlannedStage]:
    """Before the first stage and after the last one."""
    exports = isinstance(spec, JobSpec) and bool(spec.exports)
    return [PlannedStage(cost, spec.model, None) for cost in outside_stages(exports=exports)]


def _teacher_key(arm: Arm, pretrain: PretrainSpec) -> tuple[PretrainSpec, int | None]:
    """Arms with equal keys share a teacher."""
    return pretrain, None if pretrain.serves_every_depth else arm.freeze_depth


def _teacher_costs(pretrain: PretrainSpec, source: DataSpec, evaluate: EvaluateSpec) -> list[Cost]:
    measured = test_images(source, evaluate.source_test_limit)
    return [of_teacher(pretrain, images_of(source)), *_attacks(evaluate.source_attacks, measured, evaluate)]


def _target_costs(spec: JobSpec) -> list[Cost]:
    """Every network of the target: on test images, and candidates on validation images before that."""
    costs: list[Cost] = [of_import()] if spec.teacher is not None else []
    others = len(spec.baselines)
    if spec.auto is not None:
        images = min(validation_images(spec.dataset), spec.auto.validation_images)
        costs += len(spec.auto.candidates) * _attacks((spec.auto.attack,), images, spec.evaluate)
        # The best plain candidate stands beside the chosen one, unless every candidate is plain.
        others += 0 if all(plain_ones(spec.auto.candidates)) else 1
    costs += _measurements(spec.evaluate, spec.dataset, own=True)
    return costs + others * _measurements(spec.evaluate, spec.dataset, own=False)


def _measurements(evaluate: EvaluateSpec, data: DataSpec, *, own: bool) -> list[Cost]:
    """Attacks and diagnostics on one network of the target; ``own``: the one that the job is about."""
    images = test_images(data, evaluate.test_limit)
    diagnostics = [
        of_diagnostic(name, asked, images, evaluate.batch_size)
        for name, asked in evaluate.diagnostics.items()
        if own or not DIAGNOSTIC_FACTS[name].own_only
    ]
    return [*_attacks(evaluate.attacks, images, evaluate), *diagnostics]


def _attacks(attacks: tuple[AttackSpec, ...], images: int, evaluate: EvaluateSpec) -> list[Cost]:
    """No attack, then each attack."""
    return [of_attack(attack, images, evaluate.batch_size) for attack in (None, *attacks)]


def _disk(stages: int, size: Size) -> int:
    return stages * size.parameters * BYTES_PER_NUMBER * COPIES_PER_STAGE
