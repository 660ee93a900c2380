"""What is looked at, as rows: teachers and students on test images, and which validation images they held.

A row of what exists already is of the weights that were kept, or of those that tuning anew gives; then the
figures must be those of the cell's row.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from cartl_core.nn.files import load_network
from cartl_core.statistics.checkpoint_selection import CLEAN, ROBUST
from cartl_core.training.validation import clean_accuracy, robust_mask
from study.evaluation import ATTACKS_OF_THE_GRID, Evaluation, digits, evaluate, evaluation_of
from study.plan import Cell, arm_of
from study.radii import radius_grid
from study.rows import Row
from study.runner import StudyRunner, Teacher
from study.scale import BATCH as SCALE_IMAGES
from study.scale import scale_of
from study.strongest import DRAWN, ensemble_evaluation
from study.tune import Tuned, chosen_epoch, validation_attack


def teacher_row(
    runner: StudyRunner, cell: Cell, teacher: Teacher, seconds: float, *, attacks: int | None = None
) -> Row:
    """How good a teacher is on its own data, and how its features scale on source and target.

    Args:
        attacks: so many, from the first; None: all.
    """
    task, pair = runner.task(cell.pair, cell.seed), runner.plan.pairs[cell.pair]
    rules = runner.plan.rules.model_copy(
        update={
            "test_images": runner.plan.rules.teacher_images,
            "attacked_images": runner.plan.rules.teacher_images,
        }
    )
    with runner.scratch(teacher.key) as ctx:
        network = load_network(teacher.network)
        ctx.install(network)
        evaluation = evaluation_of(pair, rules, task.source.test, cell.seed)
        outcome = evaluate(network, replace(evaluation, attacks=evaluation.attacks[:attacks]), ctx)
        scaled = {
            side: scale_of(network, data.validation, pair, limit=SCALE_IMAGES, seed=cell.seed, ctx=ctx)
            for side, data in (("source", task.source), ("target", task.target))
        }
    return {
        "kind": "teacher",
        "pair": cell.pair,
        "seed": cell.seed,
        "teacher": teacher.name,
        "k": teacher.k,
        "digest": teacher.key.digest,
        "validation": [[row[CLEAN], row[ROBUST]] for row in teacher.history],
        "outcome": outcome,
        "scale": scaled,
        "seconds": round(seconds, 1),
        **runner.origin(),
    }


def cell_row(runner: StudyRunner, cell: Cell, teacher: Teacher, *, attacks: int = ATTACKS_OF_THE_GRID) -> Row:
    """Tune, choose the cell's own epoch on validation images, then look at the test images at the end.

    Args:
        attacks: so many, from the first.
    """
    began = time.process_time()
    key, settings = runner.student_key(cell)
    tuned = runner.tuned(cell, teacher)
    tuning = time.process_time() - began
    chosen = chosen_epoch(tuned.frontier, runner.plan.rules.margin)
    end = len(tuned.frontier)
    return {
        "kind": "cell",
        "cell": cell.name,
        "pair": cell.pair,
        "seed": cell.seed,
        "method": cell.method,
        "k": cell.k,
        "teacher": teacher.key.digest,
        "digest": key.digest,
        "settings": settings["transfer"],
        "validation": [[clean, robust] for clean, robust in tuned.frontier],
        "loss": [round(value, 5) for value in tuned.loss],
        "chosen": chosen,
        "outcomes": {
            str(end): _outcome(runner, cell, teacher, tuned, end, _evaluation_of(runner, cell, attacks))
        },
        "seconds": {"tune": round(tuning, 1), "test": round(time.process_time() - began - tuning, 1)},
        **runner.origin(),
    }


def evaluation_row(
    runner: StudyRunner, cell: Cell, teacher: Teacher, epoch: int, row: Row, *, attacks: int
) -> Row:
    """The first ``attacks`` attacks on a student as it was after ``epoch``.

    Args:
        row: of the finished cell. Tuning anew, where its weights are gone, must give its figures.

    Raises:
        ValueError: it did not.
    """
    return _look(runner, "exam", cell, teacher, epoch, row, _evaluation_of(runner, cell, attacks))


def validation_row(runner: StudyRunner, cell: Cell, teacher: Teacher, epoch: int, row: Row) -> Row:
    """Validation images that a student gets right, and which attacked ones it holds, as it would be exported.

    That is how ``auto`` sees it. While it was tuned a non-expansive tail had norms that power iteration had
    found, so there the figures of its row are near to these and not the same. The rest as of ``exam_row``.

    Raises:
        ValueError: another tail holds not as many as its row says.
    """
    rules, tuned = runner.plan.rules, runner.tuned_again(cell, teacher, row)
    task, pair = runner.task(cell.pair, cell.seed), runner.plan.pairs[cell.pair]
    with runner.student(cell, teacher, tuned, epoch) as (network, ctx):
        robust = robust_mask(
            network,
            task.target.validation,
            validation_attack(pair, rules),
            limit=rules.validation_images,
            seed=cell.seed,
            ctx=ctx,
        )
        clean = clean_accuracy(network, task.target.validation, ctx)
    figures = [clean, sum(robust) / len(robust)]
    if arm_of(runner.plan, cell).transfer.beta is None and figures != row["validation"][epoch - 1]:
        raise ValueError(f"{cell.name} holds other validation images after epoch {epoch} than its row says")
    images = len(task.target.validation)
    found = {"images": images, "right": round(clean * images), "stood": digits(robust)}
    return {**_seen(runner, "standing", cell, epoch), **found}


def radii_row(runner: StudyRunner, cell: Cell, teacher: Teacher, row: Row) -> Row:
    """What of a student stands after its last epoch as the radius grows; the rest as of ``exam_row``."""
    row_of_radii = radius_grid(_evaluation_of(runner, cell), runner.plan.pairs[cell.pair], runner.plan.rules)
    return _look(runner, "radii", cell, teacher, len(row["validation"]), row, row_of_radii)


def _look(
    runner: StudyRunner, kind: str, cell: Cell, teacher: Teacher, epoch: int, row: Row, evaluation: Evaluation
) -> Row:
    tuned = runner.tuned_again(cell, teacher, row)
    return {
        **_seen(runner, kind, cell, epoch),
        "outcome": _outcome(runner, cell, teacher, tuned, epoch, evaluation),
    }


def _seen(runner: StudyRunner, kind: str, cell: Cell, epoch: int) -> Row:
    named = {"kind": kind, "cell": cell.name, "pair": cell.pair, "seed": cell.seed, "epoch": epoch}
    return {**named, **runner.origin()}


def _evaluation_of(runner: StudyRunner, cell: Cell, attacks: int | None = None) -> Evaluation:
    """The evaluation of a cell's data with its first ``attacks`` attacks; None: all."""
    evaluation = runner.task(cell.pair, cell.seed).evaluation
    return replace(evaluation, attacks=evaluation.attacks[:attacks])


def strongest_row(runner: StudyRunner, cell: Cell, teacher: Teacher, epoch: int, row: Row) -> Row:
    """The ensemble of other attacks on a student after ``epoch``; the rest as of ``exam_row``."""
    task, pair = runner.task(cell.pair, cell.seed), runner.plan.pairs[cell.pair]
    evaluation = ensemble_evaluation(task.evaluation, pair, len(task.target.class_names))
    seen = _look(runner, "strongest", cell, teacher, epoch, row, evaluation)
    return {**seen, "method": cell.method, "k": cell.k, "drawn": DRAWN}


def _outcome(
    runner: StudyRunner, cell: Cell, teacher: Teacher, tuned: Tuned, epoch: int, evaluation: Evaluation
) -> dict[str, Any]:
    with runner.student(cell, teacher, tuned, epoch) as (network, ctx):
        return evaluate(network, evaluation, ctx)
