"""A plan so small that a cell takes a second: digits 0-4 to 5-9 through the tiny network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cartl_core.storage.stop_flag import StopFlag
from study.__main__ import attack_strongly, evaluate_points, run_cell
from study.plan import Plan, cells
from study.rows import read_rows
from study.runner import StudyRunner
from study.study_results import StudyResults, results_of

SMALL: dict[str, Any] = {
    "hypotheses": {},
    "rules": {
        "margin": 0.01,
        "validation_images": 20,
        "validation_steps": 2,
        "test_images": 40,
        "attacked_images": 16,
        "teacher_images": 16,
    },
    "pretrain": {
        "objective": "at",
        "epochs": 1,
        "batch_size": 32,
        "lr": 0.1,
        "lr_schedule": "cosine",
        "select": "last",
        "validate_images": 8,
        "attack_steps": 1,
        "attack_share": 1.0,
    },
    "transfer": {
        "epochs": 2,
        "batch_size": 32,
        "lr": 0.05,
        "lr_schedule": "cosine",
        "validate_images": 8,
    },
    "teachers": {"at": {}, "fdm": {"objective": "fdm", "fdm_weight": 0.01}},
    "methods": {
        "vanilla": {"title": "plain", "teacher": "at", "method": "vanilla", "role": "plain"},
        "cartl": {
            "title": "CARTL",
            "teacher": "fdm",
            "method": "cartl",
            "role": "paper",
            "transfer": {"beta": 0.6, "tail_affine": "frozen"},
        },
    },
    "pairs": {
        "digits": {
            "title": "digits 0-4 to 5-9",
            "source": {"name": "digits", "classes": [0, 1, 2, 3, 4]},
            "target": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
            "eps": 0.1,
            "step": 0.02,
            "model": {"name": "tiny", "image_size": 8, "channels": 1},
        }
    },
    "automatic": ["vanilla", "cartl"],
    "rounds": [
        {"title": "all", "pairs": ["digits"], "seeds": [0], "k": [2], "methods": ["vanilla", "cartl"]}
    ],
}


@pytest.fixture(scope="session")
def plan() -> Plan:
    return Plan.model_validate(SMALL)


@pytest.fixture
def runner(plan: Plan, tmp_path: Path) -> StudyRunner:
    return StudyRunner(plan, work=tmp_path / "work", data_root=tmp_path, threads=1, stop=StopFlag())


@pytest.fixture(scope="session")
def finished(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    """Every cell of the small plan run once; in these results CARTL is ours."""
    folder = tmp_path_factory.mktemp("finished")
    runner = StudyRunner(plan, work=folder / "work", data_root=folder, threads=1, stop=StopFlag())
    methods = plan.methods | {"cartl": plan.methods["cartl"].model_copy(update={"role": "ours"})}
    runner.plan = plan.model_copy(update={"methods": methods})
    for cell in cells(plan):
        run_cell(runner, cell, folder)
    evaluate_points(runner, "digits", 0, folder)
    attack_strongly(runner, "digits", 0, folder)
    return results_of(runner.plan, {"digits": read_rows("digits", folder)})
