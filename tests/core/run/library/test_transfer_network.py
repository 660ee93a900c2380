"""``transfer`` in memory: the bits of a job's student, blocks of one's own, every wrong argument refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

import cartl_core
from cartl_core import load_dataset, load_network, transfer
from cartl_core.events import EpochFinished, StageFinished
from cartl_core.nn.neft import sigmas
from cartl_core.nn.network import Network
from cartl_core.storage.stage_result import NETWORK, read_result
from cartl_core.training.transfer import transfer as transfer_stage
from tests.fixtures.students import same_bits

METHODS = ("vanilla", "neft", "cartl", "consistent", "lwf", "adversarial", "linear_probe", "bitfit")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of tiny networks lose by a second thread, most of all beside other programs."""
    monkeypatch.setattr("cartl_core.run.runtime._usable_threads", lambda: 1)


def settings_of(arm: Any) -> dict[str, Any]:
    made: dict[str, Any] = arm.transfer.model_dump()
    return made


@pytest.mark.parametrize("method", METHODS)
def test_the_student_has_the_bits_of_a_stage_with_equal_settings(
    arm: Any, teacher: Path, task: Any, workspace: Any, method: str
) -> None:
    asked, target, stage = arm(method), task(classes=4, seed=9), workspace("stage")
    transfer_stage(asked, teacher, target, seed=3, ctx=stage.context())
    network = load_network(teacher)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    events: list[object] = []
    done = transfer(
        network,
        target.train.images,
        target.train.labels,
        method=asked.method,
        freeze_depth=asked.freeze_depth,
        validation=target.validation,
        index=target.train.index,
        classes=4,
        eps=asked.pretrain.attack.eps,
        settings=settings_of(asked),
        seed=3,
        device="cpu",
        precision="fp32",
        report=events.append,
    )
    assert same_bits(done.student.state_dict(), load_network(stage.directory / NETWORK).state_dict())
    assert done.settings == asked.transfer
    result = read_result(stage.directory)
    assert json.loads(json.dumps(list(done.history))) == result["history"]
    assert done.selected_epoch == result["selected_epoch"]
    assert done.validated == result["validated"]
    assert done.norms == result["norms"]
    assert [event.epoch for event in events if isinstance(event, EpochFinished)] == [1, 2]
    assert same_bits(before, network.state_dict())
    assert not network.training


@pytest.mark.slow
def test_a_job_s_student_is_made_again_from_its_teacher(tmp_path: Path) -> None:
    request = {
        "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
        "freeze_depth": 2,
        "preset": "smoke",
        "exports": [],
        "method": "consistent",
        "baselines": [],
        "device": "cpu",
        "evaluate": {"preset": "quick", "test_limit": 20, "source_test_limit": 20},
    }
    events: list[Any] = []
    report = cartl_core.run(request, out=tmp_path, report=events.append)
    finished = [event for event in events if isinstance(event, StageFinished)]
    (digest,) = {event.digest for event in finished if event.stage == "pretrain"}
    spec = report.spec
    assert isinstance(spec, cartl_core.JobSpec)
    data = load_dataset(
        "digits",
        classes=spec.dataset.classes,
        train_limit=spec.dataset.train_limit,
        image_size=spec.model.image_size,
        channels=spec.model.channels,
        seed=spec.seed,
    )
    done = transfer(
        load_network(tmp_path / "stages" / digest / NETWORK),
        data.train.images,
        data.train.labels,
        method="consistent",
        freeze_depth=2,
        validation=data.validation,
        index=data.train.index,
        eps=spec.arm.inner_eps,
        settings=settings_of(spec.arm),
        seed=spec.seed,
        device="cpu",
        out=tmp_path / "again",
    )
    again, first = (tmp_path / folder / "student.safetensors" for folder in ("again", "."))
    assert again.read_bytes() == first.read_bytes()
    assert f"epoch {done.selected_epoch} of 2" in str(done)


def blocks() -> list[nn.Module]:
    """Three blocks and a head, with batch norm; weights always the same."""
    torch.manual_seed(5)
    return [
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU()),
        nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 8), nn.ReLU()),
        nn.Linear(8, 10),
    ]


def some(task: Any) -> tuple[torch.Tensor, torch.Tensor]:
    target = task(classes=4, seed=9, train=48)
    return target.train.images.tensor(), target.train.labels


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [list, lambda found: nn.Sequential(*found)])
def test_blocks_of_ones_own_are_tuned(task: Any, method: Any, kind: Any) -> None:
    given = kind(blocks())
    network = nn.Sequential(*given)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    depth = {"lwf": 0, "linear_probe": 3}.get(method, 2)
    images, labels = some(task)
    done = transfer(
        given,
        images,
        labels,
        method=method,
        freeze_depth=depth,
        epochs=2,
        batch_size=16,
        settings={"select": "last"},
        mean=(0.3,),
        std=(0.4,),
        device="cpu",
    )
    assert same_bits(before, network.state_dict())
    assert done.student(images).shape == (48, 4)
    after = {name.removeprefix("blocks."): value for name, value in done.student.state_dict().items()}
    frozen = [name for name in before if int(name.split(".")[0]) < depth]
    assert all(torch.equal(after[name], before[name]) for name in frozen)
    moved = [name for name in before if name.endswith("weight") and not name.startswith("3.")]
    still = {"linear_probe": set(moved), "bitfit": {"2.2.weight"}}.get(method, set())
    moved = [name for name in moved if name not in frozen]
    assert all(torch.equal(after[name], before[name]) == (name in still) for name in moved)
    if method in ("neft", "cartl"):
        tail = done.student.split(depth)[1]
        assert done.settings.beta is not None
        assert all(abs(sigma - done.settings.beta) < 1e-4 for sigma in sigmas(tail).values())


def test_the_same_network_as_ours_and_as_blocks_gives_the_same_student(teacher: Path, task: Any) -> None:
    network = load_network(teacher)
    images, labels = some(task)
    asked: dict[str, Any] = {"method": "neft", "freeze_depth": 3, "epochs": 2, "seed": 1, "device": "cpu"}
    ours = transfer(network, images, labels, **asked)
    first = nn.Sequential(network.normalize, network.stem, network.blocks[0])
    own = transfer([first, *list(network.blocks)[1:]], images, labels, **asked)
    assert isinstance(ours.student, Network)
    assert torch.equal(ours.student(images), own.student(images))
    again = transfer(ours.student, images, labels, **asked)
    assert again.student(images).shape == (48, 4)


def test_dropout_of_ones_own_is_random_by_the_seed_and_leaves_no_trace(task: Any) -> None:
    images, labels = some(task)
    given = [*blocks()[:3], nn.Sequential(nn.Dropout(), nn.Linear(8, 8)), nn.Linear(8, 10)]
    asked: dict[str, Any] = {"method": "vanilla", "freeze_depth": 2, "epochs": 2, "device": "cpu"}
    before = torch.get_rng_state()
    one, other = (transfer(given, images, labels, **asked, seed=seed) for seed in (4, 5))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    again = transfer(given, images, labels, **asked, seed=4)
    assert same_bits(one.student.state_dict(), again.student.state_dict())
    assert not same_bits(one.student.state_dict(), other.student.state_dict())


def test_files_are_written_only_where_asked(teacher: Path, task: Any, tmp_path: Path) -> None:
    images, labels = some(task)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    asked: dict[str, Any] = {"method": "vanilla", "freeze_depth": 2, "epochs": 1, "device": "cpu"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = transfer(blocks(), images, labels, **asked)
        assert not list(folder.iterdir())
    transfer(blocks(), images, labels, **asked, out=tmp_path / "out")
    state = safetensors.torch.load_file(tmp_path / "out/student.safetensors")
    assert same_bits(state, done.student.state_dict())
    made = json.loads((tmp_path / "out/result.json").read_text())
    assert made["method"] == "vanilla"
    assert made["settings"] == done.settings.model_dump(mode="json")
    transfer(load_network(teacher), images, labels, **asked, out=tmp_path / "ours")
    assert load_network(tmp_path / "ours/student.safetensors").head.out_features == 4
