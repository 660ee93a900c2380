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
from cartl_core.training.validation import clean_accuracy, standing
from study.exam import ATTACKS_OF_THE_GRID, Exam, digits, exam_of, sit
from study.plan import Cell, arm_of
from study.radii import ladder_of
from study.rows import Row
from study.scale import BATCH as SCALE_IMAGES
from study.scale import scale_of
from study.strongest import DRAWN, ensemble_exam
from study.tune import Tuned, chosen_epoch, validation_attack
from study.workshop import Teacher, Workshop


def teacher_row(shop: Workshop, cell: Cell, teacher: Teacher, seconds: float) -> Row:
    """How good a teacher is on its own data, and how its features scale on source and target."""
    task, pair = shop.task(cell.pair, cell.seed), shop.plan.pairs[cell.pair]
    rules = shop.plan.rules.model_copy(
        update={
            "test_images": shop.plan.rules.teacher_images,
            "attacked_images": shop.plan.rules.teacher_images,
        }
    )
    with shop.scratch(teacher.key) as ctx:
        network = load_network(teacher.network)
        ctx.install(network)
        outcome = sit(network, exam_of(pair, rules, task.source.test, cell.seed), ctx)
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
        **shop.origin(),
    }


def cell_row(shop: Workshop, cell: Cell, teacher: Teacher) -> Row:
    """Tune, choose the cell's own epoch on validation images, then look at the test images at the end."""
    began = time.process_time()
    key, settings = shop.student_key(cell)
    tuned = shop.tuned(cell, teacher)
    tuning = time.process_time() - began
    chosen = chosen_epoch(tuned.frontier, shop.plan.rules.margin)
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
            str(end): _outcome(shop, cell, teacher, tuned, end, _exam(shop, cell, ATTACKS_OF_THE_GRID))
        },
        "seconds": {"tune": round(tuning, 1), "test": round(time.process_time() - began - tuning, 1)},
        **shop.origin(),
    }


def exam_row(shop: Workshop, cell: Cell, teacher: Teacher, epoch: int, row: Row, *, attacks: int) -> Row:
    """The first ``attacks`` attacks on a student as it was after ``epoch``.

    Args:
        row: of the finished cell. Tuning anew, where its weights are gone, must give its figures.

    Raises:
        ValueError: it did not.
    """
    return _look(shop, "exam", cell, teacher, epoch, row, _exam(shop, cell, attacks))


def standing_row(shop: Workshop, cell: Cell, teacher: Teacher, epoch: int, row: Row) -> Row:
    """Validation images that a student gets right, and which attacked ones it holds, as it would be exported.

    That is how ``auto`` sees it. While it was tuned a non-expansive tail had norms that power iteration had
    found, so there the figures of its row are near to these and not the same. The rest as of ``exam_row``.

    Raises:
        ValueError: another tail holds not as many as its row says.
    """
    rules, tuned = shop.plan.rules, shop.tuned_again(cell, teacher, row)
    task, pair = shop.task(cell.pair, cell.seed), shop.plan.pairs[cell.pair]
    with shop.student(cell, teacher, tuned, epoch) as (network, ctx):
        stood = standing(
            network,
            task.target.validation,
            validation_attack(pair, rules),
            limit=rules.validation_images,
            seed=cell.seed,
            ctx=ctx,
        )
        clean = clean_accuracy(network, task.target.validation, ctx)
    figures = [clean, sum(stood) / len(stood)]
    if arm_of(shop.plan, cell).transfer.beta is None and figures != row["validation"][epoch - 1]:
        raise ValueError(f"{cell.name} holds other validation images after epoch {epoch} than its row says")
    images = len(task.target.validation)
    found = {"images": images, "right": round(clean * images), "stood": digits(stood)}
    return {**_seen(shop, "standing", cell, epoch), **found}


def radii_row(shop: Workshop, cell: Cell, teacher: Teacher, row: Row) -> Row:
    """What of a student stands after its last epoch as the radius grows; the rest as of ``exam_row``."""
    ladder = ladder_of(_exam(shop, cell), shop.plan.pairs[cell.pair], shop.plan.rules)
    return _look(shop, "radii", cell, teacher, len(row["validation"]), row, ladder)


def _look(shop: Workshop, kind: str, cell: Cell, teacher: Teacher, epoch: int, row: Row, exam: Exam) -> Row:
    tuned = shop.tuned_again(cell, teacher, row)
    return {
        **_seen(shop, kind, cell, epoch),
        "outcome": _outcome(shop, cell, teacher, tuned, epoch, exam),
    }


def _seen(shop: Workshop, kind: str, cell: Cell, epoch: int) -> Row:
    named = {"kind": kind, "cell": cell.name, "pair": cell.pair, "seed": cell.seed, "epoch": epoch}
    return {**named, **shop.origin()}


def _exam(shop: Workshop, cell: Cell, attacks: int | None = None) -> Exam:
    """The exam of a cell's data with its first ``attacks`` attacks; None: all."""
    exam = shop.task(cell.pair, cell.seed).exam
    return replace(exam, attacks=exam.attacks[:attacks])


def strongest_row(shop: Workshop, cell: Cell, teacher: Teacher, epoch: int, row: Row) -> Row:
    """The ensemble of other attacks on a student after ``epoch``; the rest as of ``exam_row``."""
    task, pair = shop.task(cell.pair, cell.seed), shop.plan.pairs[cell.pair]
    exam = ensemble_exam(task.exam, pair, len(task.target.class_names))
    seen = _look(shop, "strongest", cell, teacher, epoch, row, exam)
    return {**seen, "method": cell.method, "k": cell.k, "drawn": DRAWN}


def _outcome(
    shop: Workshop, cell: Cell, teacher: Teacher, tuned: Tuned, epoch: int, exam: Exam
) -> dict[str, Any]:
    with shop.student(cell, teacher, tuned, epoch) as (network, ctx):
        return sit(network, exam, ctx)
