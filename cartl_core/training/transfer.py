"""Stage 2: from a teacher to a student on the target (Chen et al. 2021; Shafahi et al. 2020 for LwF).

``student`` says what of the network moves, ``objective`` what it minimises.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cartl_core.catalog.evaluations import validation_attack
from cartl_core.data import Loaded, Split
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.block_list import BlockNetwork
from cartl_core.nn.files import save_network
from cartl_core.nn.neft import sigmas
from cartl_core.nn.network import Network
from cartl_core.spec import Arm
from cartl_core.statistics.checkpoint_selection import CLEAN, ROBUST
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stage_result import NETWORK, write_result
from cartl_core.training.class_balance import class_weights
from cartl_core.training.loop import TrainingTask, fit
from cartl_core.training.objective import TransferObjective
from cartl_core.training.student import Student, recalibrate
from cartl_core.training.validation import clean_accuracy, robust_accuracy, validation_set


class TransferData(Protocol):
    """Images of the target: those that the tail learns from, and those that an epoch is selected by."""

    @property
    def train(self) -> Split:
        """Training images."""

    @property
    def validation(self) -> Split:
        """Validation images."""


@dataclass(frozen=True, eq=False)
class Tuned:
    """A student as it is exported, in eval mode, and ``facts``: its result as a stage stores it."""

    network: BlockNetwork
    facts: dict[str, Any]


def transfer(arm: Arm, teacher: Path, target: Loaded, *, seed: int, ctx: StageContext) -> None:
    """Tune a copy of the teacher and write ``network.safetensors`` and the result to ``ctx``.

    Args:
        teacher: the teacher's network file; its normalisation is kept for the target.
    """
    classes = len(target.class_names)
    tuned = tune(arm, teacher, target, classes, seed=seed, ctx=ctx, fingerprint=target.fingerprint)
    assert isinstance(tuned.network, Network)
    with disk_faults("the student"):
        save_network(ctx.directory / NETWORK, tuned.network)
    write_result(ctx.directory, tuned.facts, [NETWORK])


def tune(
    arm: Arm,
    teacher: Path | BlockNetwork,
    target: TransferData,
    classes: int,
    *,
    seed: int,
    ctx: StageContext,
    fingerprint: str | None = None,
) -> Tuned:
    """Tune a copy of the teacher.

    Args:
        teacher: a network file, or the network itself, which stays as it is.
        classes: of the target; the new head has as many outputs.
        fingerprint: of the target; with it, what the trunk makes of the images is shared with other runs.
    """
    student = Student(arm, teacher, classes, seed, ctx)
    trained = fit(transfer_task(student, target, fingerprint), arm.transfer, seed=seed, ctx=ctx)
    student.settle()
    facts = {
        "selected_epoch": trained.selected_epoch,
        "epochs": arm.transfer.epochs,
        "history": trained.history,
        "validated": validation_set(target.validation, validation_attack(arm), arm.transfer.validate_images),
        "parts": trained.accumulation_steps,
        "norms": sigmas(student.upper),
    }
    return Tuned(student.network, facts)


def transfer_task(student: Student, target: TransferData, fingerprint: str | None = None) -> TrainingTask:
    """What ``fit`` is to do with ``student``, whose weights are still the teacher's."""
    classes, scheme = student.network.head.out_features, student.spec.class_weights
    weights = class_weights(scheme, target.train.labels, classes, student.place.device)
    objective = TransferObjective(student, weights, fingerprint)
    return TrainingTask(
        network=student.network,
        tuned=student.tuned,
        objective=objective,
        begin_epoch=student.begin_epoch,
        validate=lambda: _validate(student, target),
        inputs=lambda: (objective.inputs(target.train), target.train.labels),
        prologue=lambda: _recalibrate_trunk(student, target),
        undecayed=objective.undecayed,
        noise=objective.noise,
    )


def _recalibrate_trunk(student: Student, target: TransferData) -> None:
    if student.spec.trunk_statistics == "recalibrated":
        recalibrate(
            student.lower,
            target.train.images,
            student.spec.batch_size,
            seed=student.seed,
            ctx=student.place,
        )


def _validate(student: Student, target: TransferData) -> dict[str, float]:
    spec = student.spec
    figures = {
        CLEAN: clean_accuracy(student.network, target.validation, student.place),
        ROBUST: robust_accuracy(
            student.network,
            target.validation,
            validation_attack(student.arm),
            limit=spec.validate_images,
            seed=student.seed,
            ctx=student.place,
        ),
    }
    if spec.beta is not None and spec.norm == "reshaped":
        norms = sigmas(student.upper).values()
        figures["sigma_deviation"] = max(abs(norm / spec.beta - 1) for norm in norms)
    return figures
