"""Transfer to a target of few images: it runs, learns, and says what is unsure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cartl_core.analysis.results import StudentResult
from cartl_core.analysis.training_history import history_of
from cartl_core.analysis.warnings import unsure_choices
from cartl_core.data import Loaded, load
from cartl_core.nn.build import build_network
from cartl_core.nn.files import load_network, save_network
from cartl_core.nn.rng import generator
from cartl_core.render.sentences import notice
from cartl_core.spec import DataSpec
from cartl_core.storage.stage_result import NETWORK, read_result
from cartl_core.training.transfer import transfer
from tests.fixtures.reports import arm_of

TRANSFER = {"batch_size": 128, "epochs": 6, "lr": 0.05, "select": "pareto", "validate_images": 512}


@pytest.fixture
def teacher(tiny: Any, tmp_path: Path) -> Path:
    save_network(
        tmp_path / "teacher.safetensors",
        build_network(tiny, 10, (0.305,), (0.376,), generator(1, "network")),
    )
    return tmp_path / "teacher.safetensors"


def digits(limit: int, tiny: Any, tmp_path: Path) -> Loaded:
    return load(DataSpec(name="digits", train_limit=limit), tiny, data_root=tmp_path, seed=0, download=False)


@pytest.mark.parametrize(("limit", "batch", "steps"), [(200, 128, 1), (200, 16, 11), (1_000, 128, 7)])
def test_few_images_are_learnt_from(
    arm: Any, tiny: Any, teacher: Path, workspace: Any, tmp_path: Path, limit: int, batch: int, steps: int
) -> None:
    """Every class is in both parts, and an epoch has at least one step, whatever the size of a batch."""
    target, stage = digits(limit, tiny, tmp_path), workspace("student")
    assert (len(target.train.labels), len(target.validation.labels)) == (limit * 9 // 10, limit // 10)
    assert set(target.train.labels.tolist()) == set(target.validation.labels.tolist()) == set(range(10))
    asked = arm("vanilla", freeze_depth=1, transfer=TRANSFER | {"batch_size": batch})
    moved: list[float] = []
    ctx = stage.context()
    object.__setattr__(ctx, "progress", moved.append)
    transfer(asked, teacher, target, seed=0, ctx=ctx)
    assert len(moved) == 6 * steps
    history = history_of(StudentResult.model_validate(read_result(stage.directory)), asked.transfer)
    assert history is not None
    assert {(row.clean.n, row.robust.n) for row in history.epochs} == {(limit // 10, limit // 10)}
    if steps > 1:
        kept = history.epochs[history.selected_epoch - 1]
        assert kept.clean.low > 0.1, "surely more than chance"
    assert load_network(stage.directory / NETWORK).arch.classes == 10


def test_too_few_to_choose_by_is_said_with_the_error(
    arm: Any, tiny: Any, teacher: Path, workspace: Any, tmp_path: Path
) -> None:
    target, stage = digits(200, tiny, tmp_path), workspace("student")
    asked = arm("vanilla", freeze_depth=1, transfer=TRANSFER | {"epochs": 2})
    transfer(asked, teacher, target, seed=0, ctx=stage.context())
    history = history_of(StudentResult.model_validate(read_result(stage.directory)), asked.transfer)
    assert history is not None
    (said,) = unsure_choices([arm_of("vanilla", None, history=history.model_dump())])
    assert "plain transfer was chosen by 20 validation images: the standard error" in notice(said)
