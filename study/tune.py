"""One student, tuned as ``cartl_core`` tunes it, with its figures and its weights kept after every epoch."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from cartl_core.data import Loaded
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.network import Network
from cartl_core.spec import Arm
from cartl_core.spec.measures.attack import AttackSpec
from cartl_core.statistics.checkpoint_selection import CLEAN, ROBUST
from cartl_core.storage.atomic_write import write_whole
from cartl_core.training.loop import fit
from cartl_core.training.student import Student
from cartl_core.training.transfer import transfer_task
from cartl_core.training.validation import clean_accuracy, robust_accuracy
from study.plan import Pair, Rules

Frontier = list[tuple[float, float]]
"""(clean, robust) accuracy on validation images after each epoch."""


@dataclass(frozen=True)
class Tuned:
    """The way a student went. Epochs count from 1 in names, from 0 in the lists."""

    frontier: Frontier
    states: list[dict[str, Tensor]]
    loss: list[float]


def tune(
    arm: Arm, teacher: Path, target: Loaded, pair: Pair, rules: Rules, *, seed: int, ctx: StageContext
) -> Tuned:
    """Tune a copy of ``teacher`` and keep what it was after every epoch."""
    student = Student(arm, teacher, len(target.class_names), seed, ctx)
    attack = validation_attack(pair, rules)
    states: list[dict[str, Tensor]] = []

    def validate() -> dict[str, float]:
        states.append({name: value.clone() for name, value in student.network.state_dict().items()})
        return {
            CLEAN: clean_accuracy(student.network, target.validation, ctx),
            ROBUST: robust_accuracy(
                student.network,
                target.validation,
                attack,
                limit=rules.validation_images,
                seed=seed,
                ctx=ctx,
            ),
        }

    task = replace(transfer_task(student, target), validate=validate)
    fitted = fit(task, arm.transfer, seed=seed, ctx=ctx)
    frontier = [(row[CLEAN], row[ROBUST]) for row in fitted.history]
    return Tuned(frontier, states, [row["loss"] for row in fitted.history])


def keep(tuned: Tuned, path: Path) -> None:
    """Write all of it, or nothing."""
    tensors = {
        f"{epoch}/{name}": value.contiguous()
        for epoch, state in enumerate(tuned.states)
        for name, value in state.items()
    }
    way = {"frontier": tuned.frontier, "loss": tuned.loss}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save(tensors, {"way": json.dumps(way)}))


def kept(path: Path) -> Tuned | None:
    """What ``keep`` wrote there; None if it did not."""
    if not path.is_file():
        return None
    with safe_open(path, "pt") as file:
        way = json.loads(file.metadata()["way"])
        states: list[dict[str, Tensor]] = [{} for _ in way["frontier"]]
        for key in file.keys():  # noqa: SIM118 - it is no mapping
            epoch, _, name = key.partition("/")
            states[int(epoch)][name] = file.get_tensor(key)
    return Tuned([(clean, robust) for clean, robust in way["frontier"]], states, way["loss"])


def network_of(
    tuned: Tuned, epoch: int, arm: Arm, teacher: Path, classes: int, *, seed: int, ctx: StageContext
) -> Network:
    """The student as it was after ``epoch``, counted from 1, settled as it would be exported."""
    student = Student(arm, teacher, classes, seed, ctx)
    student.network.load_state_dict(tuned.states[epoch - 1])
    student.settle()
    assert isinstance(student.network, Network)
    return student.network


def validation_attack(pair: Pair, rules: Rules) -> AttackSpec:
    """PGD across the ball in four steps, as the library's own validation has it, on more images."""
    return AttackSpec(label="validation", eps=pair.eps, step=pair.eps / 4, steps=rules.validation_steps)


def chosen_epoch(frontier: Frontier, margin: float) -> int:
    """The most robust epoch whose clean accuracy is within ``margin`` of the best; of equals the first.

    Counts from 1. Validation figures alone decide.
    """
    least = max(clean for clean, _ in frontier) - margin
    allowed = [(robust, -epoch) for epoch, (clean, robust) in enumerate(frontier, 1) if clean >= least]
    return -max(allowed)[1]
