"""Features of a frozen trunk that students share: the same bits as without, for who has the same trunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from cartl_core.errors import SpecError
from cartl_core.events import Warned
from cartl_core.execution.scratch import Scratch
from cartl_core.nn.files import load_network, save_network
from cartl_core.spec import Arm
from cartl_core.storage.shared_arrays import SharedArrays
from cartl_core.storage.stage_result import NETWORK
from cartl_core.training import feature_perturbation
from cartl_core.training.student import Student
from cartl_core.training.transfer import transfer, transfer_task
from cartl_core.training.views import Views
from tests.fixtures.students import same_bits

Tune = Callable[..., dict[str, Tensor]]


@pytest.fixture
def arrays(tmp_path: Path) -> SharedArrays:
    return SharedArrays(tmp_path / "features")


@pytest.fixture
def tune(teacher: Path, task: Any, workspace: Any, arrays: SharedArrays) -> Tune:
    """``tune("name", arm)``: the student's weights; ``shared=None`` keeps what it makes to itself."""

    def run(name: str, arm: Arm, *, of: Path = teacher, data: Any = None, seed: int = 0, **place: Any) -> Any:
        ctx = replace(workspace(name).context(), **{"shared": arrays, **place})
        transfer(arm, of, data or task(classes=4, seed=9), seed=seed, ctx=ctx)
        return safetensors.torch.load_file(ctx.directory / NETWORK)

    return run


@pytest.fixture
def plainly(arm: Any) -> Arm:
    made: Arm = arm("consistent", transfer=ONCE | {"displacement": {"steps": 2}})
    return made


def kept(arrays: SharedArrays) -> int:
    return sum(len(path.name) == 64 for path in arrays.directory.glob("*"))


ONCE: dict[str, Any] = {"epochs": 1, "validate_images": 4}
CASES: dict[str, tuple[str, dict[str, Any], int]] = {
    "consistent": ("consistent", {"displacement": {"steps": 2}}, 2**30),
    "consistent, as images": ("consistent", {"displacement": {"steps": 1, "copies": 2}}, 3_000),
    "linear probe": ("linear_probe", {}, 2**30),
    "recalibrated": ("vanilla", {"trunk_statistics": "recalibrated"}, 2**30),
    "views": ("vanilla", {"augmentation": "crop_flip", "cached_views": 2}, 2**30),
    "too large to keep": ("vanilla", {}, 3_000),
}
"""Method, settings, and the limit of one array."""
ALTERED: tuple[dict[str, Any], ...] = (
    {"augmentation": "crop_flip", "cached_views": 2},
    {"augmentation": "crop_flip", "cached_views": 3},
    {"augmentation": "crop_flip_rotate", "cached_views": 2},
)


@pytest.mark.parametrize("name", CASES)
def test_students_have_the_same_bits_with_and_without(
    name: str, arm: Any, tune: Tune, arrays: SharedArrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever computes the array, and who finds it and sends nothing through the trunk for it."""
    method, settings, limit = CASES[name]
    made, scratch = arm(method, transfer=ONCE | settings), Scratch(limit_bytes=limit)
    alone = tune("alone", made, shared=None, scratch=scratch)
    assert not arrays.directory.exists()
    assert same_bits(tune("first", made, scratch=scratch), alone)
    fits = limit == 2**30 or made.transfer.displacement is not None
    assert kept(arrays) == fits

    def no_attack(*_: Any, **__: Any) -> Tensor:
        raise AssertionError("the trunk is attacked again")

    monkeypatch.setattr(feature_perturbation, "perturb", no_attack)
    assert same_bits(tune("second", made, scratch=scratch), alone)
    assert kept(arrays) == fits


def test_who_has_the_same_trunk_and_images_shares_them(
    plainly: Arm, arm: Any, tune: Tune, arrays: SharedArrays, teacher: Path, tmp_path: Path
) -> None:
    """Methods, losses, rates and another tail of the teacher change nothing that the trunk makes."""
    other_tail = load_network(teacher)
    with torch.no_grad():
        for parameter in other_tail.blocks[3].parameters():
            parameter.add_(0.01)
    save_network(tmp_path / "other", other_tail)
    tune("a", arm("neft", transfer=ONCE))
    tune("b", arm("vanilla", transfer=ONCE))
    tune("c", arm("vanilla", transfer=ONCE), of=tmp_path / "other")
    tune("d", arm("bitfit", transfer=ONCE | {"lr": 0.001}))
    assert kept(arrays) == 1
    tune("e", plainly)
    tune("f", arm("consistent", transfer=ONCE | {"displacement": {"steps": 2, "reach": 0.5}}))
    assert kept(arrays) == 2


def test_whatever_changes_what_a_trunk_makes_makes_another_array(
    plainly: Arm,
    arm: Any,
    tune: Tune,
    arrays: SharedArrays,
    teacher: Path,
    task: Any,
    runtime: Any,
    tmp_path: Path,
) -> None:
    other = load_network(teacher)
    with torch.no_grad():
        other.stem.weight.add_(0.01)  # type: ignore[operator]
    save_network(tmp_path / "other", other)
    half = {"displacement": {"steps": 2}, "feature_precision": "fp16"}
    changed: list[tuple[Arm, dict[str, Any]]] = [
        (plainly, {}),
        (plainly, {"of": tmp_path / "other"}),
        (plainly, {"data": task(classes=4, seed=8)}),
        (plainly, {"seed": 1}),
        (plainly, {"runtime": runtime.model_copy(update={"threads": runtime.threads + 1})}),
        (arm("consistent", freeze_depth=1, transfer=ONCE | {"displacement": {"steps": 2}}), {}),
        (arm("consistent", transfer=ONCE | {"displacement": {"steps": 3}}), {}),
        (arm("consistent", transfer=ONCE | {"displacement": {"steps": 2, "copies": 2}}), {}),
        (arm("consistent", transfer=ONCE | half), {}),
        *((arm("vanilla", transfer=ONCE | views), {}) for views in ALTERED),
    ]
    for number, (made, place) in enumerate(changed, start=1):
        tune(str(number), made, **place)
        assert kept(arrays) == number


def test_a_damaged_array_is_told_and_computed_again(plainly: Arm, tune: Tune, arrays: SharedArrays) -> None:
    alone = tune("alone", plainly, shared=None)
    tune("first", plainly)
    (path,) = (path for path in arrays.directory.iterdir() if len(path.name) == 64)
    path.write_bytes(path.read_bytes()[:-7])
    told: list[Any] = []
    assert same_bits(tune("second", plainly, report=told.append), alone)
    assert [event.message for event in told if isinstance(event, Warned)] == [
        f"test stage: shared features are computed again: {path.stat().st_size - 7} bytes, "
        f"{path.stat().st_size} were written"
    ]


def test_half_precision_takes_half_the_room_and_little_else_changes(
    arm: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    target, found = task(classes=4, seed=9), dict[str, Tensor]()
    for precision in ("fp32", "fp16"):
        made = arm("consistent", transfer={"displacement": {"steps": 2}, "feature_precision": precision})
        student = Student(made, teacher, 4, 0, workspace(precision).context())
        inputs, _ = transfer_task(student, target).inputs()
        assert not isinstance(inputs, Views)
        found[precision] = inputs[torch.arange(len(inputs))]
    assert found["fp16"].dtype == torch.float16
    assert torch.equal(found["fp16"], found["fp32"].half())


def test_the_tail_learns_from_half_precision_in_single(arm: Any, tune: Tune) -> None:
    weights = tune("half", arm("neft", transfer=ONCE | {"feature_precision": "fp16"}))
    exact = tune("single", arm("neft", transfer=ONCE))
    assert not same_bits(weights, exact)
    for name, value in weights.items():
        assert value.dtype == exact[name].dtype
        torch.testing.assert_close(value, exact[name], rtol=0.02, atol=0.02)


def test_features_that_half_precision_cannot_hold_are_refused(
    arm: Any, tune: Tune, teacher: Path, tmp_path: Path
) -> None:
    network = load_network(teacher)
    with torch.no_grad():
        network.stem.weight.mul_(1e9)  # type: ignore[operator]
    save_network(tmp_path / "large", network)
    made = arm("vanilla", freeze_depth=1, transfer=ONCE | {"feature_precision": "fp16"})
    with pytest.raises(SpecError, match="above what fp16 holds; allowed: fp32"):
        tune("a", made, of=tmp_path / "large")
