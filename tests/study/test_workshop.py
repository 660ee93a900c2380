"""One cell from data to row, on the digits; a cell costs about a second."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cartl_core.attacks import run_attack
from cartl_core.errors import Interrupted
from cartl_core.nn.files import load_network
from study import looks
from study.__main__ import run_cell
from study.exam import ATTACKS, held, sit
from study.plan import Cell, Plan, cells
from study.rows import Row, read_rows, students
from study.tune import chosen_epoch
from study.workshop import Teacher, Workshop


def but_times(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in {"seconds", "finished"}}


def run_first(workshop: Workshop, plan: Plan, results: Path) -> tuple[Cell, Teacher, Row]:
    """The plan's first cell, run, with its teacher and its row."""
    cell = next(cells(plan))
    run_cell(workshop, cell, results)
    return cell, workshop.teacher(cell), students(read_rows("digits", results))[0]


def test_a_cell_leaves_its_row_and_its_teachers_and_is_not_run_again(
    workshop: Workshop, plan: Plan, tmp_path: Path
) -> None:
    for cell in [*cells(plan), *cells(plan)]:
        run_cell(workshop, cell, tmp_path)
    rows = read_rows("digits", tmp_path)
    assert [row["kind"] for row in rows] == ["teacher", "cell", "teacher", "cell"]
    assert [row["teacher"] for row in rows if row["kind"] == "teacher"] == ["at", "fdm"]
    # An fdm teacher is of one depth, at serves all.
    assert [row["k"] for row in rows if row["kind"] == "teacher"] == [None, 2]
    for row in rows:
        if row["kind"] == "cell":
            _check_cell(row)


def _check_cell(row: dict[str, Any]) -> None:
    assert len(row["validation"]) == 2
    assert row["chosen"] == chosen_epoch([tuple(point) for point in row["validation"]], 0.01)
    assert set(row["outcomes"]) == {"2"}
    for outcome in row["outcomes"].values():
        assert (len(outcome["clean"]), len(outcome["fate"])) == (40, 16)
        # What is wrong without an attack is robust to none, and each attack only takes.
        assert [digit == "0" for digit in outcome["fate"]] == [
            digit == "0" for digit in outcome["clean"][:16]
        ]
        assert outcome["attacks"] == list(ATTACKS[:2])


def test_a_cell_is_a_function_of_the_plan(workshop: Workshop, plan: Plan, tmp_path: Path) -> None:
    cell = next(cells(plan))
    for results in ("once", "again"):
        run_cell(workshop, cell, tmp_path / results)
    once, again = (read_rows("digits", tmp_path / results) for results in ("once", "again"))
    assert [but_times(row) for row in once] == [but_times(row) for row in again]


def test_an_exam_is_of_the_kept_weights_or_of_those_that_tuning_anew_gives(
    workshop: Workshop, plan: Plan, tmp_path: Path
) -> None:
    cell, teacher, row = run_first(workshop, plan, tmp_path)
    kept = looks.exam_row(workshop, cell, teacher, 1, row, attacks=3)
    assert kept["outcome"]["attacks"] == list(ATTACKS)
    shutil.rmtree(workshop.work / "students")
    assert but_times(looks.exam_row(workshop, cell, teacher, 1, row, attacks=3)) == but_times(kept)
    other = row | {"validation": [[0.0, 0.0], [0.0, 0.0]]}
    with pytest.raises(ValueError, match="another way"):
        looks.exam_row(workshop, cell, teacher, 1, other, attacks=3)


def test_it_is_kept_which_validation_images_a_student_held(
    workshop: Workshop, plan: Plan, tmp_path: Path
) -> None:
    cell, teacher, row = run_first(workshop, plan, tmp_path)
    for epoch, (clean, robust) in enumerate(row["validation"], start=1):
        found = looks.standing_row(workshop, cell, teacher, epoch, row)
        assert len(found["stood"]) == plan.rules.validation_images
        assert found["stood"].count("1") / len(found["stood"]) == robust
        assert found["images"] == len(workshop.task(cell.pair, cell.seed).target.validation)
        assert found["right"] / found["images"] == clean
    other = row | {"validation": [[clean, robust - 0.05] for clean, robust in row["validation"]]}
    with pytest.raises(ValueError, match="another way"):
        looks.standing_row(workshop, cell, teacher, 1, other)


def test_a_stop_leaves_no_row_and_the_next_run_goes_on(
    workshop: Workshop, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = next(cells(plan))

    def stopped(*given: object, **named: object) -> dict[str, Any]:
        workshop.stop.request("interrupted")
        return sit(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(looks, "sit", stopped)
    with pytest.raises(Interrupted):
        run_cell(workshop, cell, tmp_path)
    assert read_rows("digits", tmp_path) == []
    assert list(workshop.work.glob("cell-*")) == []
    monkeypatch.undo()
    later = Workshop(plan, work=workshop.work, data_root=tmp_path, threads=1, stop=type(workshop.stop)())
    run_cell(later, cell, tmp_path)
    assert [row["kind"] for row in read_rows("digits", tmp_path)] == ["teacher", "cell"]


def test_fates_are_what_each_attack_alone_says(workshop: Workshop, plan: Plan) -> None:
    """Against the library's attacks, run one by one on all images of the exam."""
    cell = next(cells(plan))
    teacher = workshop.teacher(cell)
    exam = workshop.task(cell.pair, cell.seed).exam
    network = load_network(teacher.network)
    with workshop.scratch(teacher.key) as ctx:
        outcome = sit(network, exam, ctx)
    images, labels, index = (
        part[: exam.attacked] for part in (exam.images.images, exam.images.labels, exam.images.index)
    )
    standing = network(images).argmax(1) == labels
    assert held(outcome, None)[: exam.attacked] == standing.tolist()
    for attack in exam.attacks:
        broken = run_attack(
            network, images, labels, attack, seed=cell.seed, label=attack.label, indices=index
        ).broken
        standing &= ~broken
        assert held(outcome, attack.label) == standing.tolist()
