"""One cell from data to row, on the digits; a cell costs about a second."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cartl_core.attacks import run_attack
from cartl_core.errors import Interrupted
from cartl_core.nn.files import load_network
from study import evaluation_rows
from study.__main__ import run_cell
from study.evaluation import ATTACKS, evaluate, robust_images
from study.plan import Cell, Plan, cells
from study.rows import Row, read_rows, students
from study.runner import StudyRunner, Teacher
from study.tune import chosen_epoch


def but_times(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in {"seconds", "finished"}}


def run_first(runner: StudyRunner, plan: Plan, folder: Path) -> tuple[Cell, Teacher, Row]:
    """The plan's first cell, run, with its teacher and its row."""
    cell = next(cells(plan))
    run_cell(runner, cell, folder)
    return cell, runner.teacher(cell), students(read_rows("digits", folder))[0]


def test_a_cell_leaves_its_row_and_its_teachers_and_is_not_run_again(
    runner: StudyRunner, plan: Plan, tmp_path: Path
) -> None:
    for cell in [*cells(plan), *cells(plan)]:
        run_cell(runner, cell, tmp_path)
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


def test_a_cell_is_a_function_of_the_plan(runner: StudyRunner, plan: Plan, tmp_path: Path) -> None:
    cell = next(cells(plan))
    for folder in ("once", "again"):
        run_cell(runner, cell, tmp_path / folder)
    once, again = (read_rows("digits", tmp_path / folder) for folder in ("once", "again"))
    assert [but_times(row) for row in once] == [but_times(row) for row in again]


def test_a_commit_gives_no_student_another_name_and_a_version_does(runner: StudyRunner, plan: Plan) -> None:
    cell, runtime = next(cells(plan)), runner.runtime
    before = runner.student_key(cell)[0].digest
    runner.runtime = runtime.model_copy(update={"commit": "0" * 40, "tree_changed": True})
    assert runner.student_key(cell)[0].digest == before
    runner.runtime = runtime.model_copy(update={"torch": "0"})
    assert runner.student_key(cell)[0].digest != before


def test_an_exam_is_of_the_kept_weights_or_of_those_that_tuning_anew_gives(
    runner: StudyRunner, plan: Plan, tmp_path: Path
) -> None:
    cell, teacher, row = run_first(runner, plan, tmp_path)
    kept = evaluation_rows.evaluation_row(runner, cell, teacher, 1, row, attacks=3)
    assert kept["outcome"]["attacks"] == list(ATTACKS)
    shutil.rmtree(runner.work / "students")
    assert but_times(evaluation_rows.evaluation_row(runner, cell, teacher, 1, row, attacks=3)) == but_times(
        kept
    )
    other = row | {"validation": [[0.0, 0.0], [0.0, 0.0]]}
    with pytest.raises(ValueError, match="another way"):
        evaluation_rows.evaluation_row(runner, cell, teacher, 1, other, attacks=3)


def test_it_is_kept_which_validation_images_a_student_held(
    runner: StudyRunner, plan: Plan, tmp_path: Path
) -> None:
    cell, teacher, row = run_first(runner, plan, tmp_path)
    for epoch, (clean, robust) in enumerate(row["validation"], start=1):
        found = evaluation_rows.validation_row(runner, cell, teacher, epoch, row)
        assert len(found["stood"]) == plan.rules.validation_images
        assert found["stood"].count("1") / len(found["stood"]) == robust
        assert found["images"] == len(runner.task(cell.pair, cell.seed).target.validation)
        assert found["right"] / found["images"] == clean
    other = row | {"validation": [[clean, robust - 0.05] for clean, robust in row["validation"]]}
    with pytest.raises(ValueError, match="another way"):
        evaluation_rows.validation_row(runner, cell, teacher, 1, other)


def test_a_stop_leaves_no_row_and_the_next_run_goes_on(
    runner: StudyRunner, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = next(cells(plan))

    def stopped(*given: object, **named: object) -> dict[str, Any]:
        runner.stop.request("interrupted")
        return evaluate(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluation_rows, "evaluate", stopped)
    with pytest.raises(Interrupted):
        run_cell(runner, cell, tmp_path)
    assert read_rows("digits", tmp_path) == []
    assert list(runner.work.glob("cell-*")) == []
    monkeypatch.undo()
    later = StudyRunner(plan, work=runner.work, data_root=tmp_path, threads=1, stop=type(runner.stop)())
    run_cell(later, cell, tmp_path)
    assert [row["kind"] for row in read_rows("digits", tmp_path)] == ["teacher", "cell"]


def test_fates_are_what_each_attack_alone_says(runner: StudyRunner, plan: Plan) -> None:
    """Against the library's attacks, run one by one on all images of the evaluation."""
    cell = next(cells(plan))
    teacher = runner.teacher(cell)
    evaluation = runner.task(cell.pair, cell.seed).evaluation
    network = load_network(teacher.network)
    with runner.scratch(teacher.key) as ctx:
        outcome = evaluate(network, evaluation, ctx)
    images, labels, index = (
        part[: evaluation.attacked]
        for part in (evaluation.images.images, evaluation.images.labels, evaluation.images.index)
    )
    robust = network(images).argmax(1) == labels
    assert robust_images(outcome, None)[: evaluation.attacked] == robust.tolist()
    for attack in evaluation.attacks:
        broken = run_attack(
            network, images, labels, attack, seed=cell.seed, label=attack.label, indices=index
        ).broken
        robust &= ~broken
        assert robust_images(outcome, attack.label) == robust.tolist()
