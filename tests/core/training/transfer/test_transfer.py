"""The student's stage: what may move moves, what is frozen keeps its bits, over several epochs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cartl_core.analysis.results import StudentResult
from cartl_core.analysis.training_history import validation
from cartl_core.data import ImageSet
from cartl_core.errors import Interrupted, ResumeMismatch
from cartl_core.events import EpochFinished
from cartl_core.execution.scratch import Scratch
from cartl_core.nn.files import load_network
from cartl_core.nn.lipschitz import audit_tail
from cartl_core.nn.neft import sigmas
from cartl_core.nn.rng import generator
from cartl_core.planning.stages import Transferring
from cartl_core.run.runners import RUNNERS
from cartl_core.storage.stage_result import NETWORK, read_result, write_result
from cartl_core.training.student import Student, recalibrate
from cartl_core.training.transfer import transfer
from cartl_core.training.validation import clean_accuracy, robust_accuracy
from tests.fixtures.students import EPOCHS, VARIANTS, belongs_to_trunk, followed, is_statistic


@pytest.mark.parametrize("name", VARIANTS)
def test_frozen_parameters_keep_their_bits(
    variant: Any, teacher: Path, task: Any, workspace: Any, name: str
) -> None:
    arm, before = variant(name), load_network(teacher)
    _, states = followed(arm, teacher, task, workspace)
    original = before.state_dict()
    affine = {
        f"{layer}.{part}"
        for layer, module in before.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for part in ("weight", "bias")
    }
    for state in states:
        for key in original:
            if is_statistic(key) or key not in state:
                continue
            frozen = belongs_to_trunk(key, arm.freeze_depth) or (
                arm.transfer.tail_affine == "frozen" and key in affine
            )
            if arm.transfer.tail_weights == "frozen":
                frozen = frozen or not (key in affine or key.endswith("bias"))
                frozen = frozen and not key.startswith("blocks.4.")
            if frozen:
                assert torch.equal(state[key], original[key]), key


@pytest.mark.parametrize(
    ("method", "statistics", "moves"),
    [("vanilla", "teacher", False), ("cartl", "teacher", False), ("cartl", "running", True)],
)
def test_trunk_statistics_over_several_epochs(
    arm: Any, teacher: Path, task: Any, workspace: Any, method: str, statistics: str, moves: bool
) -> None:
    made = arm(method, transfer={"epochs": EPOCHS, "trunk_statistics": statistics})
    _, states = followed(made, teacher, task, workspace)
    original = load_network(teacher).state_dict()
    running = [key for key in original if is_statistic(key) and belongs_to_trunk(key, made.freeze_depth)]
    assert running
    before = original
    for state in states:
        for key in running:
            assert torch.equal(state[key], before[key]) is not moves, key
        before = state


def test_recalibrated_statistics_change_once_and_then_stay(
    variant: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    arm = variant("recalibrated")
    _, states = followed(arm, teacher, task, workspace)
    original = load_network(teacher).state_dict()
    running = [key for key in original if is_statistic(key) and belongs_to_trunk(key, arm.freeze_depth)]
    for key in running:
        assert not torch.equal(states[0][key], original[key]), key
        assert all(torch.equal(state[key], states[0][key]) for state in states), key


def test_recalibration_is_a_cumulative_average(workspace: Any) -> None:
    layer = nn.BatchNorm2d(2)
    layer.running_mean = torch.tensor([5.0, -5.0])
    images = torch.rand(12, 2, 3, 3, generator=generator(3, "images"))
    recalibrate(layer, ImageSet.of(images), 4, seed=0, ctx=workspace("a").context())
    expected = images.mean(dim=(0, 2, 3))
    torch.testing.assert_close(layer.running_mean, expected)
    assert layer.momentum == 0.1
    assert not layer.training


def test_a_last_batch_of_one_image_does_not_break_recalibration(workspace: Any) -> None:
    layer = nn.BatchNorm2d(2)
    images = torch.rand(5, 2, 1, 1, generator=generator(3, "images"))
    recalibrate(layer, ImageSet.of(images), 4, seed=0, ctx=workspace("a").context())
    torch.testing.assert_close(layer.running_mean, images.mean(dim=(0, 2, 3)))


@pytest.mark.parametrize(("statistics", "moves"), [("batch", True), ("teacher", False)])
def test_tail_statistics(
    arm: Any, teacher: Path, task: Any, workspace: Any, statistics: str, moves: bool
) -> None:
    made = arm("neft", transfer={"epochs": EPOCHS, "tail_statistics": statistics})
    _, states = followed(made, teacher, task, workspace)
    original = load_network(teacher).state_dict()
    for key in original:
        if is_statistic(key) and not belongs_to_trunk(key, made.freeze_depth):
            assert torch.equal(states[-1][key], original[key]) is not moves, key


def test_the_tail_starts_from_the_teacher_with_a_fresh_head(
    variant: Any, teacher: Path, workspace: Any
) -> None:
    student = Student(variant("vanilla"), teacher, 4, 0, workspace("a").context())
    original = load_network(teacher).state_dict()
    head = f"blocks.{student.network.block_count - 1}."
    for key, value in student.network.state_dict().items():
        if not key.startswith(head):
            assert torch.equal(value, original[key]), key
    weight = student.network.head.weight
    assert weight.shape[0] == 4
    bound = weight.shape[1] ** -0.5
    assert weight.min() < 0 < weight.max() <= bound
    assert student.network.arch.mean == (0.25,)
    again = Student(variant("cartl"), teacher, 4, 0, workspace("b").context())
    assert torch.equal(
        again.network.head.get_submodule("parametrizations.weight").original,  # type: ignore[arg-type]
        weight,
    )


@pytest.mark.parametrize("name", ["neft", "cartl"])
def test_what_is_exported_has_exactly_the_norms_asked_for(
    variant: Any, teacher: Path, task: Any, workspace: Any, name: str
) -> None:
    arm, stage = variant(name), workspace("a")
    transfer(arm, teacher, task(classes=4, seed=9), seed=0, ctx=stage.context())
    network = load_network(stage.directory / NETWORK)
    _, upper = network.split(arm.freeze_depth)
    norms = sigmas(upper)
    assert len(norms) > 3
    assert all(norm == pytest.approx(arm.transfer.beta, abs=1e-3) for norm in norms.values())
    assert read_result(stage.directory)["norms"] == pytest.approx(norms)
    assert network.arch.averaged_from == arm.freeze_depth
    deviations = [
        event.metrics["sigma_deviation"] for event in stage.events if isinstance(event, EpochFinished)
    ]
    assert all(deviation < 0.1 for deviation in deviations)


@pytest.mark.parametrize("name", ["vanilla", "adversarial"])
def test_the_figures_a_setting_is_chosen_by_are_those_of_what_is_exported(
    variant: Any, teacher: Path, task: Any, workspace: Any, name: str
) -> None:
    arm, stage, target = variant(name), workspace("a"), task(classes=4, seed=9)
    transfer(arm, teacher, target, seed=0, ctx=stage.context())
    told = validation(StudentResult.model_validate(read_result(stage.directory)))
    assert told is not None
    network, ctx = load_network(stage.directory / NETWORK), workspace("b").context()
    images = len(target.validation.labels)
    assert (told.clean.n, told.robust.n) == (images, min(images, arm.transfer.validate_images))
    assert told.clean.value == pytest.approx(clean_accuracy(network, target.validation, ctx))
    assert told.robust.value == pytest.approx(
        robust_accuracy(network, target.validation, told.attack, limit=told.robust.n, seed=0, ctx=ctx)
    )
    assert told.attack == arm.transfer.attack or arm.transfer.attack is None
    assert told.attack.eps == arm.pretrain.attack.eps


def test_a_result_without_its_validation_set_is_a_mismatch(tmp_path: Path) -> None:
    """Nobody could say what its validation figures are over."""
    stored = {"selected_epoch": 1, "epochs": 1, "history": [{"clean_accuracy": 0.5}], "norms": {}}
    write_result(tmp_path, stored)
    with pytest.raises(ResumeMismatch, match="validated"):
        RUNNERS[Transferring].read(None, None, tmp_path)  # type: ignore[arg-type]


def test_lwf_tunes_the_head_first_and_then_everything(
    variant: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    student, states = followed(variant("lwf"), teacher, task, workspace)
    original = load_network(teacher).state_dict()
    head = f"blocks.{student.network.block_count - 1}."
    body = [key for key in original if not key.startswith(head)]
    assert all(torch.equal(states[0][key], original[key]) for key in body)
    moved = [key for key in body if not torch.equal(states[1][key], original[key])]
    assert set(body) - set(moved) == {"normalize.mean", "normalize.std"}


def test_any_method_may_tune_its_head_first(variant: Any, teacher: Path, task: Any, workspace: Any) -> None:
    student, states = followed(variant("head first"), teacher, task, workspace)
    start = Student(variant("head first"), teacher, 4, 0, workspace("start").context()).network.state_dict()
    head = f"blocks.{student.network.block_count - 1}."
    for key, value in start.items():
        if not key.startswith(head):
            assert torch.equal(states[0][key], value), key
    moved = {key for key in start if not torch.equal(states[0][key], start[key])}
    assert f"{head}parametrizations.weight.original" in moved
    assert any(not torch.equal(states[1][key], states[0][key]) for key in start if key not in moved)
    assert sigmas(student.network.head) == pytest.approx({"": 0.6}, abs=1e-2)


@pytest.mark.parametrize("name", ["by the true norm", "by the true norm, affine frozen"])
def test_what_is_exported_is_proven_non_expansive(
    variant: Any, teacher: Path, task: Any, workspace: Any, name: str
) -> None:
    arm, stage = variant(name), workspace("a")
    transfer(arm, teacher, task(classes=4, seed=9), seed=0, ctx=stage.context())
    network = load_network(stage.directory / NETWORK)
    _, upper = network.split(arm.freeze_depth)
    audit = audit_tail(upper, (16, 4, 4), generator(0))
    layers = [row for row in audit.layers if row.kind in ("convolution", "linear")]
    assert len(layers) > 3
    assert all(0.9 * arm.transfer.beta < row.upper_bound <= arm.transfer.beta for row in layers)
    assert all(row.upper_bound <= 1 for row in audit.layers if row.kind == "batch_norm")
    assert all(block.upper_bound <= 1 for block in audit.blocks)
    assert audit.tail_constant <= arm.transfer.beta
    assert network.arch.averaged_from == arm.freeze_depth


@pytest.mark.parametrize(
    "name", ["cartl", "displaced", "displaced twice", "consistent", "distilled", "all at once"]
)
def test_cached_features_change_nothing_but_the_cost(
    variant: Any, teacher: Path, task: Any, workspace: Any, name: str
) -> None:
    arm, target = variant(name), task(classes=4, seed=9)
    cached, plain = workspace("cached"), workspace("plain")
    transfer(arm, teacher, target, seed=0, ctx=cached.context())
    nothing_fits = Scratch(limit_bytes=0)
    transfer(arm, teacher, target, seed=0, ctx=replace(plain.context(), scratch=nothing_fits))
    one = load_network(cached.directory / NETWORK).state_dict()
    other = load_network(plain.directory / NETWORK).state_dict()
    for key in one:
        torch.testing.assert_close(one[key], other[key], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_student_resumed_several_times_has_the_same_bits(
    variant: Any, teacher: Path, task: Any, workspace: Any, name: str
) -> None:
    """Stopped in the middle of an epoch, at its end, and in another one; two steps are an epoch."""
    arm, target = variant(name), task(classes=4, seed=9)
    whole, pieces = workspace("whole"), workspace("pieces")
    transfer(arm, teacher, target, seed=0, ctx=whole.context())
    for steps in (1, 1, 3):
        with pytest.raises(Interrupted):
            transfer(arm, teacher, target, seed=0, ctx=pieces.context(stop_after=steps))
    transfer(arm, teacher, target, seed=0, ctx=pieces.context())
    assert (pieces.directory / NETWORK).read_bytes() == (whole.directory / NETWORK).read_bytes()
    assert read_result(pieces.directory) == read_result(whole.directory)
