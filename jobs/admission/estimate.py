"""What a job will cost, before it runs: images x passes x multiply-adds, at a measured rate.

A forward pass counts 1, an attack step 2 (forth, and back to the input), a training step 3 (forth,
and back to input and weights). The rate is of one kind of machine and says so; what a job really
takes is in its progress.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from cartl_core.catalog import facts_of, model_facts, share_of_classes
from cartl_core.catalog.candidates import plain_ones
from cartl_core.catalog.evaluations import validation_attack
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.spec import (
    Arm,
    AttackSpec,
    DataSpec,
    JobSpec,
    PretrainSpec,
    TrainingSpec,
)
from cartl_core.spec.attack import ATTACKS, steps_in_all
from cartl_core.spec.diagnostics import DiagnosticSpec
from cartl_core.spec.existing_network import EvaluateJobSpec
from jobs.admission.network_size import Size, network_size, trunk_share

# WRN-16-2, stem stride 2, 28x28x1: 137 ms for 128 images forth and back to the input (two cores of a
# server CPU, 2 threads, fp32, channels_last), i.e. 128 x 2 passes x 2 x 21.1 million multiply-adds.
MEASURED_SECONDS = 0.137
MEASURED_IMAGES = 128
MEASURED_MACS = 21.1e6
FLOP_PER_SECOND = MEASURED_IMAGES * 2 * 2 * MEASURED_MACS / MEASURED_SECONDS

# What a job takes that the rate leaves out: a process that starts, torch, reading data, a report. On the same
# machine a smoke job on five digits took 8.8 s of processor time, of which the rate accounts for 0.03 s.
START_SECONDS = 8.0

FORWARD = 1
ATTACK_STEP = 2
TRAINING_STEP = 3
TRAINING_STEP_OF_BIASES = 2
# Fooled images leave an attack early. On the demo's pair this share of all steps was computed.
SHARE_OF_STEPS = 0.6

BYTES_PER_NUMBER = 4
# A stage keeps its result and two checkpoints; each of those has weights, momentum and, as a rule, up to
# three epochs that may still be chosen.
COPIES_PER_STAGE = 1 + 2 * 5
REPORT_BYTES = 1_000_000

ASSUMES = (
    f"about {FLOP_PER_SECOND / 1e9:.0f} GFLOP/s (2 FLOP a multiply-add), as measured with WRN-16-2 "
    "(stem stride 2, 28x28x1, batches of 128) on 2 CPU cores in fp32: 137 ms forth and back to the "
    f"input; {START_SECONDS:.0f} s a job to start and to report; every stage computed here, none found "
    "finished; data sets already on disk"
)


@dataclass(frozen=True)
class Estimate:
    """``seconds``: wall time on the machine of ``assumes``; ``disk_bytes``: stages and artifacts."""

    seconds: float
    disk_bytes: int
    assumes: str
    teachers: int
    forward_passes: float
    """Of one image through the whole network; all passes together, in this unit."""


def computing_seconds(seconds: float) -> float:
    """Of the ``seconds`` of one job's estimate, those in which it computes."""
    return max(seconds - START_SECONDS, 0.0)


def estimate(spec: JobSpec | EvaluateJobSpec) -> dict[str, Any]:
    """The cost of ``spec`` as JSON; the fields are those of ``Estimate``."""
    return _plain(estimated(spec) if isinstance(spec, JobSpec) else estimated_evaluation(spec))


def estimate_together(specs: Sequence[JobSpec]) -> dict[str, Any]:
    """The cost of several jobs of one owner, as ``estimate`` has it: what they share is computed once."""
    return _plain(estimated_together(specs))


def _plain(whole: Estimate) -> dict[str, Any]:
    return {
        "seconds": round(whole.seconds, 1),
        "disk_bytes": whole.disk_bytes,
        "assumes": whole.assumes,
        "teachers": whole.teachers,
        "forward_passes": round(whole.forward_passes),
    }


def estimated(spec: JobSpec) -> Estimate:
    """The cost of ``spec``, arms with equal teachers sharing one."""
    return estimated_together([spec])


def estimated_together(specs: Sequence[JobSpec]) -> Estimate:
    """The cost of all of ``specs``, arms with equal teachers sharing one, within a job and across jobs."""
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
    macs = passes = 0.0
    disk = len(specs) * REPORT_BYTES
    for pretrain, source, spec in teachers.values():
        size, made = network_size(spec.model, classes_of(source)), _teacher_passes(pretrain, source, spec)
        macs, passes, disk = macs + made * size.macs, passes + made, disk + _disk(1, size)
    for spec in specs:
        size = network_size(spec.model, classes_of(spec.dataset))
        trained = dict.fromkeys(spec.arms)
        made = sum(_training_passes(arm, spec) for arm in trained) + _measuring_passes(spec)
        macs, passes, disk = macs + made * size.macs, passes + made, disk + _disk(len(trained), size)
    return Estimate(
        seconds=len(specs) * START_SECONDS + 2 * macs / FLOP_PER_SECOND,
        disk_bytes=disk,
        assumes=ASSUMES,
        teachers=len(teachers),
        forward_passes=passes,
    )


def estimated_evaluation(spec: EvaluateJobSpec) -> Estimate:
    """The cost of measuring a network that exists, on every data set."""
    student = network_size(spec.model, classes_of(spec.dataset))
    passes = sum(_measurement_passes(alone, own=True) for alone in spec.on_each())
    return Estimate(
        seconds=START_SECONDS + 2 * passes * student.macs / FLOP_PER_SECOND,
        disk_bytes=student.parameters * BYTES_PER_NUMBER + REPORT_BYTES,
        assumes=ASSUMES,
        teachers=0,
        forward_passes=passes,
    )


def classes_of(data: DataSpec) -> int:
    """How many classes the task has."""
    return len(data.classes or facts_of(data).classes)


def training_images(data: DataSpec) -> int:
    """Images that are trained on: the classes' share, limited, less the validation part."""
    return ceil(_share(data, facts_of(data).train_images, data.train_limit) * (1 - data.validation_fraction))


def validation_images(data: DataSpec) -> int:
    """Images that were taken out of the training images for selection."""
    kept = _share(data, facts_of(data).train_images, data.train_limit)
    return kept - training_images(data)


def test_images(data: DataSpec, limit: int | None) -> int:
    """Images that are attacked."""
    return _share(data, facts_of(data).test_images, limit)


def _share(data: DataSpec, images: int, limit: int | None) -> int:
    """Of all ``images``, those of the chosen classes (as if classes were equally large), limited."""
    kept = share_of_classes(data, images)
    return kept if limit is None else min(kept, limit)


def _teacher_key(arm: Arm, pretrain: PretrainSpec) -> tuple[PretrainSpec, int | None]:
    """Arms with equal keys share a teacher."""
    return pretrain, None if pretrain.serves_every_depth else arm.freeze_depth


def _teacher_passes(pretrain: PretrainSpec, source: DataSpec, spec: JobSpec) -> float:
    trained = 2 if pretrain.objective == "fdm" else 1
    a_step = ATTACK_STEP * pretrain.attack.steps + TRAINING_STEP * trained
    an_epoch = training_images(source) * a_step + _validation(pretrain, source, pretrain.attack)
    measured = test_images(source, spec.evaluate.source_test_limit)
    return pretrain.epochs * an_epoch + _evaluation(spec.evaluate.source_attacks, measured)


def _measuring_passes(spec: JobSpec) -> float:
    """Every network of the target: on test images, and candidates on validation images before that."""
    own, other = _measurement_passes(spec, own=True), _measurement_passes(spec, own=False)
    if spec.auto is None:
        return own + len(spec.baselines) * other
    images = min(validation_images(spec.dataset), spec.auto.validation_images)
    compared = len(spec.auto.candidates) * _evaluation((spec.auto.attack,), images)
    # The best plain candidate stands beside the chosen one, unless every candidate is plain.
    plain = all(plain_ones(spec.auto.candidates))
    return compared + own + (len(spec.baselines) + (0 if plain else 1)) * other


def _training_passes(arm: Arm, spec: JobSpec) -> float:
    """The frozen trunk is passed forward only, once where the head alone is trained; the tail is trained."""
    transfer = arm.transfer
    trunk = trunk_share(spec.model, classes_of(spec.dataset), arm.freeze_depth)
    cached = arm.freeze_depth == model_facts(spec.model.name).blocks - 1 and transfer.fixed_features
    trained = TRAINING_STEP_OF_BIASES if transfer.tail_weights == "frozen" else TRAINING_STEP
    a_step = trained * (1 - trunk) + (0 if cached else FORWARD * trunk)
    if transfer.attack is not None:
        a_step += ATTACK_STEP * transfer.attack.steps
    once = FORWARD * trunk if cached else 0.0
    if (moved := transfer.displacement) is not None:
        a_step *= 2
        if moved.direction == "tail":
            a_step += ATTACK_STEP * (1 - trunk)
        once += moved.copies * trunk * (ATTACK_STEP * moved.steps + 2 * FORWARD)
    if transfer.lwf_weight is not None:
        a_step += FORWARD * (1 - trunk)
    an_epoch = training_images(spec.dataset) * a_step
    an_epoch += _validation(transfer, spec.dataset, validation_attack(arm))
    return transfer.epochs * an_epoch + training_images(spec.dataset) * once


def _measurement_passes(spec: JobSpec | EvaluateJobSpec, *, own: bool) -> float:
    """Attacks and diagnostics on one network of the target; ``own``: the one that the job is about."""
    measured = test_images(spec.dataset, spec.evaluate.test_limit)
    diagnostics = sum(
        _diagnostic(name, asked, measured)
        for name, asked in spec.evaluate.diagnostics.items()
        if own or not DIAGNOSTIC_FACTS[name].own_only
    )
    return _evaluation(spec.evaluate.attacks, measured) + diagnostics


def _validation(training: TrainingSpec, data: DataSpec, attack: AttackSpec) -> float:
    """All validation images are classified, some of them attacked."""
    there = _share(data, facts_of(data).train_images, data.train_limit) - training_images(data)
    steps = SHARE_OF_STEPS * ATTACK_STEP * attack.steps
    return FORWARD * there + steps * min(there, training.validate_images)


def _evaluation(attacks: tuple[AttackSpec, ...], images: int) -> float:
    passes = sum(
        (ATTACK_STEP if ATTACKS[attack.name].gradients else FORWARD)
        * steps_in_all(attack.loss, attack.steps, attack.restarts)
        for attack in attacks
    )
    return images * (FORWARD + SHARE_OF_STEPS * passes)


def _diagnostic(name: str, asked: DiagnosticSpec, images: int) -> float:
    passes = DIAGNOSTIC_FACTS[name].passes(asked)
    return min(images, asked.images or images) * (FORWARD * passes.forward + ATTACK_STEP * passes.gradients)


def _disk(stages: int, size: Size) -> int:
    return stages * size.parameters * BYTES_PER_NUMBER * COPIES_PER_STAGE
