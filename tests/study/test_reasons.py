"""Forgetting, and teachers that are not robust."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cartl_core.storage.stop_flag import StopFlag
from study.__main__ import run_cell
from study.compare import teacher_figures
from study.figures import drawings
from study.plan import Plan, cells
from study.reasons import peak, regimes
from study.rows import Row, students, teachers
from study.runner import StudyRunner
from study.study_results import StudyResults, read_results, results_of
from study.tables import TABLES
from tests.study.conftest import SMALL

NOT_ROBUST: dict[str, dict[str, Any]] = {
    "clean-vanilla": {"method": "vanilla"},
    "clean-adversarial": {"method": "adversarial", "transfer": {"schedule": "constant"}},
    "clean-adversarial-epsilon": {"method": "adversarial", "transfer": {"schedule": "epsilon"}},
}
ROBUST: dict[str, dict[str, Any]] = {"adversarial": {"method": "adversarial"}}


def way(method: str, k: int, *robust: float) -> Row:
    return {
        "kind": "cell",
        "cell": f"digits/0/{method}/k{k}",
        "pair": "digits",
        "seed": 0,
        "method": method,
        "k": k,
        "chosen": 1,
        "validation": [[0.9, value] for value in robust],
        "outcomes": {},
    }


def book_with(plan: Plan, ks: list[int], *rows: Row) -> StudyResults:
    rounds = (plan.rounds[0].model_copy(update={"k": tuple(ks)}),)
    return results_of(plan.model_copy(update={"rounds": rounds}), {"digits": list(rows)})


def test_what_is_lost_is_from_the_first_highest_epoch_to_the_last(plan: Plan) -> None:
    results = book_with(
        plan, [2, 1], way("vanilla", 2, 0.5, 0.75, 0.75, 0.25), way("vanilla", 1, 0.125, 0.25)
    )
    assert peak(results.cells("digits", 0)[0]).epoch == 2
    assert TABLES["forgetting"](results).splitlines()[2:] == [
        "| digits | 0 | vanilla | 1 | 25.0 | 2 | 25.0 | 0.0 |",
        "| digits | 0 | vanilla | 2 | 75.0 | 2 | 25.0 | 50.0 |",
    ]


def test_the_regime_is_drawn_from_three_depths_on_and_a_line_is_a_cell(plan: Plan) -> None:
    rows = [way("vanilla", k, 0.5, 0.25 * k, 0.25) for k in (3, 1, 2)]
    assert list(regimes(book_with(plan, [3, 1, 2], *rows[:2]))) == []
    results = book_with(plan, [3, 1, 2], *rows)
    assert list(regimes(results)) == [("digits", 0)]
    figure = dict(drawings_of_the_regime(results))["study-regime-digits"]
    plain, ours = figure.axes
    lines = {line.get_label(): list(line.get_ydata()) for line in plain.lines if len(line.get_xdata()) > 1}
    assert lines == {f"k {k}": [50.0, 25.0 * k, 25.0] for k in (1, 2, 3)}
    assert not ours.lines
    assert "study-regime-digits.svg" in TABLES["regimes"](results)


def drawings_of_the_regime(results: StudyResults) -> dict[str, Any]:
    return {stem: draw() for stem, draw in drawings(results) if "regime" in stem}


@pytest.fixture(scope="module")
def from_clean() -> Plan:
    """k 6 of a network of 8 blocks, from a robust teacher and from one that is not, on the digits."""
    titled = {"title": "tuned from there", "role": "reference"}
    methods = {
        **SMALL["methods"],
        **{name: {**titled, "teacher": "at", **own} for name, own in ROBUST.items()},
        **{name: {**titled, "teacher": "clean", **own} for name, own in NOT_ROBUST.items()},
    }
    pair = SMALL["pairs"]["digits"]
    few = {side: {**pair[side], "train_limit": 200} for side in ("source", "target")}
    network = {"name": "wrn-16-1", "stem_stride": 2, "image_size": 8, "channels": 1}
    small = {
        **SMALL,
        "teachers": {"at": {}, "fdm": SMALL["teachers"]["fdm"], "clean": {"epochs": 4, "attack_eps": 0.0}},
        "rules": {**SMALL["rules"], "attacked_images": 8},
        "pretrain": {**SMALL["pretrain"], "validate_images": 1000},
        "transfer": {**SMALL["transfer"], "epochs": 4},
        "methods": methods,
        "pairs": {"digits": {**pair, **few, "model": network}},
        "rounds": [
            {"title": "all", "pairs": ["digits"], "seeds": [0], "k": [6], "methods": [*ROBUST, *NOT_ROBUST]}
        ],
    }
    return Plan.model_validate(small)


def test_from_a_teacher_that_is_not_robust_to_the_table(from_clean: Plan, tmp_path: Path) -> None:
    runner = StudyRunner(from_clean, work=tmp_path / "work", data_root=tmp_path, threads=1, stop=StopFlag())
    for cell in cells(from_clean):
        run_cell(runner, cell, tmp_path)
    results = read_results(tmp_path, from_clean)
    rows = {row["method"]: row for row in students(results.rows["digits"])}
    teacher = {row["teacher"]: row for row in teachers(results.rows["digits"])}["clean"]
    # An attack of radius 0 moves nothing; one of the pair's radius finds what it did not learn to withstand.
    assert all(clean == robust for clean, robust in teacher["validation"])
    figures = teacher_figures(teacher)
    assert figures["pgd100"] < figures["clean"]
    # The first quarter of the growing radius is none: the loss of the first epoch is that of clean images.
    first = {method: row["loss"][0] for method, row in rows.items()}
    assert first["clean-adversarial-epsilon"] == pytest.approx(first["clean-vanilla"], rel=1e-3)
    assert first["clean-adversarial"] > first["clean-vanilla"]
    assert rows["clean-adversarial-epsilon"]["settings"]["schedule"] == "epsilon"
    for name in ("adversarial", "clean-adversarial", "clean-adversarial-epsilon"):
        assert rows[name]["settings"]["attack"]["eps"] == from_clean.pairs["digits"].eps
    table = [line.split(" | ") for line in TABLES["schedule"](results).splitlines()[2:]]
    assert [line[3:5] for line in table] == [
        ["adversarial", "at"],
        ["clean-vanilla", "clean"],
        ["clean-adversarial", "clean"],
        ["clean-adversarial-epsilon", "clean"],
    ]
    # Nothing is compared with itself.
    assert table[0][7] == table[2][8].rstrip(" |") == ""
    assert table[2][7] != "" != table[3][8].rstrip(" |")
