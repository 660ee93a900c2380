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
from cartl_core import SpecError, load_dataset, load_network, transfer
from cartl_core.events import EpochFinished, StageFinished
from cartl_core.nn.files import save_network
from cartl_core.nn.neft import sigmas
from cartl_core.nn.network import Network
from cartl_core.storage.stage_result import NETWORK, read_result
from cartl_core.training.transfer import transfer as transfer_stage
from tests.fixtures.students import same_bits

METHODS = ("vanilla", "neft", "cartl", "consistent", "lwf", "adversarial")


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
        eps=spec.arm.pretrain.attack.eps,
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
    return target.train.images, target.train.labels


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [list, lambda found: nn.Sequential(*found)])
def test_blocks_of_ones_own_are_tuned(task: Any, method: Any, kind: Any) -> None:
    given = kind(blocks())
    network = nn.Sequential(*given)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    depth = 0 if method == "lwf" else 2
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
    assert any(not torch.equal(after[name], before[name]) for name in moved if name not in frozen)
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


GOOD: dict[str, Any] = {"method": "vanilla", "freeze_depth": 1, "epochs": 1, "device": "cpu"}
SHARED = nn.Linear(8, 8)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"network": nn.Linear(2, 2)}, "network: is a Linear; allowed: a network of load_network"),
    ({"network": [nn.Linear(2, 2)]}, "network: is a list of 1"),
    ({"network": [nn.Flatten(), "head"]}, "network: is a list of 2"),
    ({"network": [nn.Linear(2, 2), nn.Flatten()]}, "network: its last block is a Flatten"),
    ({"network": [nn.Flatten(), nn.Linear(7, 2)]}, "network: its blocks do not take these images"),
    ({"network": [nn.Identity(), nn.Linear(8, 2)]}, "network: it does not give logits"),
    ({"network": [nn.Flatten(), nn.Linear(64, 8), SHARED, SHARED, nn.Linear(8, 2)]}, "blocks 3 and 4 share"),
    ({"network": [nn.Flatten(), nn.Linear(64, 2).double()]}, "network: .*float64; allowed: torch.float32"),
    (
        {"network": [nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(64, 2))]},
        "is parametrised",
    ),
    ({"images": torch.rand(48, 8, 8)}, r"images: has shape \(48, 8, 8\)"),
    ({"images": torch.rand(48, 2, 8, 8)}, "images: have 2 channels; allowed: 1 or 3"),
    ({"images": 255 * torch.ones(48, 1, 8, 8)}, "images: has values from 255 to 255"),
    ({"images": torch.full((48, 1, 8, 8), torch.nan)}, "images: .*finite values"),
    ({"images": torch.ones(48, 1, 8, 8, dtype=torch.uint8)}, "images: has dtype torch.uint8"),
    ({"labels": torch.zeros(4, dtype=torch.int64)}, r"labels: has shape \(4,\)"),
    ({"labels": torch.zeros(48)}, "labels: has dtype torch.float32"),
    ({"labels": torch.full((48,), -1)}, "labels: has labels from -1 to -1"),
    ({"labels": torch.full((48,), 4), "classes": 4}, "labels: has labels from 4 to 4"),
    ({"labels": torch.full((48,), 2**40)}, "labels: "),
    ({"classes": 1}, "classes: 1; allowed: a whole number from 2"),
    ({"classes": True}, "classes: True"),
    ({"method": "magic"}, "method: 'magic' is no known method; allowed: vanilla"),
    ({"freeze_depth": 4}, "freeze_depth: 4 does not fit the network .4 blocks.* allowed: 0 to 3"),
    ({"freeze_depth": -1}, "freeze_depth: "),
    ({"freeze_depth": 1.0}, "freeze_depth: "),
    ({"freeze_depth": 0, "method": "consistent"}, "freeze_depth: .*allowed: 1 to 3"),
    ({"freeze_depth": 0, "method": "cartl"}, "freeze_depth: .*allowed: 1 to 3"),
    ({"freeze_depth": 1, "method": "lwf"}, "freeze_depth: lwf tunes the whole network; allowed: 0"),
    ({"validation": 0.9}, "validation: 0.9 is no share; allowed: 0.01 to 0.5"),
    ({"validation": float("nan")}, "validation: nan is no share"),
    ({"validation": "some"}, "validation: is a str"),
    ({"validation": (torch.rand(4, 1, 9, 9), torch.zeros(4, dtype=torch.int64))}, r"\(1, 9, 9\)"),
    ({"validation": (torch.rand(4, 1, 8, 8), torch.full((4,), 9))}, "validation: has labels from 9 to 9"),
    ({"validation": (torch.rand(4, 1, 8, 8), None)}, "validation: is a NoneType"),
    ({"eps": 0.0}, "eps: with radius 0"),
    ({"eps": 8.0}, "eps: 8.0 is no radius"),
    ({"eps": float("nan")}, "eps: nan is no radius"),
    ({"epochs": 0}, "epochs: Input should be greater than or equal to 1"),
    ({"lr": -0.1}, "lr: Input should be greater than 0"),
    ({"lr": float("inf")}, "lr: Input should be "),
    ({"batch_size": 1}, "batch_size: "),
    ({"settings": {"epochs": 3}}, "settings.epochs: it is given as an argument, too"),
    ({"settings": {"beta": 0.4}}, "settings.beta: not used by method vanilla; allowed: methods neft, cartl"),
    ({"settings": {"beta": -1.0}, "method": "neft"}, "settings.beta: Input should be greater than 0"),
    ({"settings": {"momentum": 2.0}}, "settings.momentum: "),
    ({"settings": {"fdm_weight": 0.1}, "method": "cartl"}, "settings.fdm_weight: it is of the training of"),
    ({"settings": {"nonsense": 1}}, "settings.nonsense: there is no such setting; allowed: epochs"),
    ({"preset": "huge"}, "preset: 'huge' is no known preset; allowed: smoke, quick, paper"),
    ({"mean": (0.5,)}, "mean: .* allowed: both, one number for each channel"),
    ({"mean": (0.5,), "std": (0.0,)}, "std: .* allowed: finite, std above 0"),
    ({"index": torch.zeros(3, dtype=torch.int64)}, "index: is no list of names"),
    ({"index": torch.full((48,), -1)}, "index: goes down to -1"),
    ({"seed": -1}, "seed: -1 is no seed"),
    ({"device": "tpu"}, "device: 'tpu'; allowed: auto, cpu, cuda"),
    ({"precision": "fp64"}, "precision: 'fp64'"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG)
def test_every_argument_is_checked_before_anything_is_computed(
    task: Any, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    images, labels = some(task)
    told: list[object] = []
    asked = {
        "network": blocks(),
        "images": images,
        "labels": labels,
        **GOOD,
        "report": told.append,
        **changes,
    }
    network, images, labels = (asked.pop(name) for name in ("network", "images", "labels"))
    with pytest.raises(SpecError, match=says) as found:
        transfer(network, images, labels, out=tmp_path / "out", **asked)
    assert isinstance(found.value, ValueError)
    assert not told
    assert not (tmp_path / "out").exists()


def test_a_network_of_ours_normalises_and_has_its_own_size(teacher: Path, task: Any) -> None:
    images, labels = some(task)
    with pytest.raises(SpecError, match="mean: this network normalises by itself"):
        transfer(load_network(teacher), images, labels, **GOOD, mean=(0.1,), std=(1.0,))
    with pytest.raises(SpecError, match=r"images: are of shape \(1, 16, 16\); allowed: \(1, 8, 8\)"):
        transfer(load_network(teacher), torch.rand(48, 1, 16, 16), labels, **GOOD)
    with pytest.raises(SpecError, match="finite weights"):
        network = load_network(teacher)
        with torch.no_grad():
            network.head.weight[0, 0] = torch.nan
        save_network(teacher.with_name("nan.safetensors"), network)
        transfer(network, images, labels, **GOOD)
