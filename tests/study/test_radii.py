"""What a finished cell withstands as the radius grows, on the digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cartl_core.attacks import run_attack
from study.__main__ import attack_radii, run_cell
from study.evaluation import robust_images
from study.figures import drawings
from study.plan import Plan, arm_of, cells
from study.radii import MULTIPLES, cells_without_radii, label_of, radius_grid, robust_shares
from study.rows import radius_rows, read_rows, students
from study.runner import StudyRunner
from study.study_results import read_results, results_of
from study.tables import TABLES
from study.tune import kept, network_of


@pytest.fixture(autouse=True)
def depth_of_the_small_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.radii.USUAL_K", 2)


def test_each_finished_cell_is_looked_at_once_on_the_same_images(
    runner: StudyRunner, plan: Plan, tmp_path: Path
) -> None:
    for cell in cells(plan):
        run_cell(runner, cell, tmp_path)
    before = read_results(tmp_path, plan)
    for _ in range(2):
        attack_radii(runner, "digits", 0, tmp_path)
    rows = radius_rows(read_rows("digits", tmp_path))
    assert [(row["cell"], row["epoch"]) for row in rows] == [(cell.name, 2) for cell in cells(plan)]
    for row in rows:
        robust = robust_shares(row)
        assert robust == sorted(robust, reverse=True)
        assert len(row["outcome"]["clean"]) == len(row["outcome"]["fate"]) == 8
    # The results carry the rows, and no cell is another for them.
    after = read_results(tmp_path, plan)
    assert radius_rows(after.rows["digits"]) == rows
    assert students(after.rows["digits"]) == students(before.rows["digits"])
    table = TABLES["radii"](after).splitlines()
    assert table[0] == "| pair | seed | method | eps 0 | 0.5 eps | 1 eps | 1.5 eps | 2 eps |"
    assert [line.split(" | ")[2] for line in table[2:]] == ["vanilla", "cartl"]
    assert table[2].endswith(" | ".join(f"{100 * value:.1f}" for value in robust_shares(rows[0])) + " |")
    figure = dict(drawings(after))["study-radii-digits"]()
    assert figure is not None
    line = figure.axes[0].lines[0]
    assert list(np.asarray(line.get_ydata())) == [100 * value for value in robust_shares(rows[0])]
    # Plain transfer is not ahead of itself.
    assert set(np.asarray(figure.axes[1].lines[0].get_ydata())) == {0.0}


def test_a_ladder_is_half_of_the_attacked_images_of_every_class(runner: StudyRunner, plan: Plan) -> None:
    cell = next(cells(plan))
    evaluation = runner.task(cell.pair, cell.seed).evaluation
    row_of_radii = radius_grid(evaluation, plan.pairs["digits"], plan.rules)
    assert len(row_of_radii.images) == row_of_radii.attacked == 8
    assert set(row_of_radii.images.index.tolist()) < set(
        evaluation.images.index[: evaluation.attacked].tolist()
    )
    assert len(row_of_radii.images.labels.unique()) == 5
    assert [attack.eps for attack in row_of_radii.attacks] == pytest.approx([0.05, 0.1, 0.15, 0.2])
    assert all(attack.step == pytest.approx(attack.eps / 10) for attack in row_of_radii.attacks)
    assert {(attack.name, attack.norm, attack.steps) for attack in row_of_radii.attacks} == {
        ("pgd", "linf", 20)
    }


def test_what_stands_is_what_the_attack_at_each_radius_alone_says(
    runner: StudyRunner, plan: Plan, tmp_path: Path
) -> None:
    """Against the library's attack, run at each radius on all images, of the student after its last epoch."""
    cell = next(cells(plan))
    run_cell(runner, cell, tmp_path)
    attack_radii(runner, "digits", 0, tmp_path)
    outcome = radius_rows(read_rows("digits", tmp_path))[0]["outcome"]
    teacher = runner.teacher(cell)
    task = runner.task(cell.pair, cell.seed)
    row_of_radii = radius_grid(task.evaluation, plan.pairs["digits"], plan.rules)
    key, _ = runner.student_key(cell)
    tuned = kept(runner.work / "students" / f"{key.digest}.safetensors")
    assert tuned is not None
    with runner.scratch(key) as ctx:
        network = network_of(
            tuned, 2, arm_of(plan, cell), teacher.network, len(task.target.class_names), seed=0, ctx=ctx
        )
    images = row_of_radii.images
    with torch.no_grad():
        standing_now = network(images.images.tensor()).argmax(1) == images.labels
    assert robust_images(outcome, None) == standing_now.tolist()
    for attack, multiple in zip(row_of_radii.attacks, MULTIPLES, strict=True):
        alone = run_attack(
            network,
            images.images.tensor(),
            images.labels,
            attack,
            seed=0,
            label=attack.label,
            indices=images.index,
        )
        standing_now &= ~alone.broken
        assert robust_images(outcome, label_of(multiple)) == standing_now.tolist()


def test_only_finished_cells_of_the_usual_depth_are_looked_at(
    runner: StudyRunner, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = cells(plan)
    assert list(cells_without_radii(results_of(plan, {"digits": []}), "digits", 0)) == []
    run_cell(runner, first, tmp_path)
    results = read_results(tmp_path, plan)
    assert [row["cell"] for row in cells_without_radii(results, "digits", 0)] == [first.name]
    monkeypatch.setattr("study.radii.USUAL_K", 4)
    assert list(cells_without_radii(results, "digits", 0)) == []
