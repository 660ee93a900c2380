"""Workplaces, data and settings for tests of runs: tiny, and the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cartl_core.checkpoint import Checkpoints, in_order
from cartl_core.data import Loaded, Split
from cartl_core.events import Event
from cartl_core.models import build_network
from cartl_core.random import generator
from cartl_core.resolve import resolve
from cartl_core.spec import Arm, JobRequest, JobSpec, ModelSpec, Runtime
from cartl_core.stage_keys import StageKey
from cartl_core.stopping import StopFlag
from cartl_core.weights import save_network
from cartl_core.workplace import Workplace
from tests.fixtures.students import EPOCHS, VARIANTS


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(
        device="cpu",
        device_name="test",
        threads=1,
        precision="fp32",
        python="3.11",
        torch="2",
        torchvision="0",
        cartl="0",
        machine="test",
    )


def images_of(count: int, classes: int, seed: int, size: int = 8) -> Split:
    """Images whose classes differ in where they are bright, so that there is something to learn."""
    drawn = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    images = 0.3 * torch.rand(count, 1, size, size, generator=drawn)
    for row, label in zip(images, labels.tolist(), strict=True):
        row[:, label : label + 3, label : label + 3] += 0.6
    digests = tuple(f"{seed}-{number}".encode() for number in range(count))
    return Split(images, labels, torch.arange(count), digests)


@pytest.fixture
def task() -> Callable[..., Loaded]:
    """``task(classes=4, seed=0, train=40)``: synthetic images, 1 x 8 x 8."""

    def make(classes: int = 4, seed: int = 0, train: int = 40) -> Loaded:
        return Loaded(
            name="digits",
            train=images_of(train, classes, seed),
            validation=images_of(12, classes, seed + 1),
            test=images_of(20, classes, seed + 2),
            class_names=tuple(f"class {number}" for number in range(classes)),
            mean=(0.3,),
            std=(0.4,),
            fingerprint=f"synthetic-{classes}-{seed}-{train}",
        )

    return make


@dataclass
class Bench:
    """Workplaces in one directory, and all that they report."""

    directory: Path
    runtime: Runtime
    events: list[Event] = field(default_factory=list)
    saved_at: list[float] = field(default_factory=list)

    def place(self, *, stop_after: int | None = None, every_seconds: float = 1e9) -> Workplace:
        """A place that goes on from what lies here and is asked to stop after so many steps."""
        stop, steps = StopFlag(), 0
        checkpoints = Checkpoints(
            self.directory,
            earlier=tuple(reversed(in_order(self.directory))),
            announce=lambda path, fraction: self.saved_at.append(fraction),
            every_seconds=every_seconds,
        )

        def progress(fraction: float) -> None:
            nonlocal steps
            steps += 1
            if stop_after is not None and steps >= stop_after:
                stop.request("interrupted")

        return Workplace(
            key=StageKey("pretrain", "test stage", "0" * 64),
            directory=self.directory,
            checkpoints=checkpoints,
            runtime=self.runtime,
            report=self.events.append,
            stop=stop,
            saved=checkpoints.newest(),
            progress=progress,
        )


@pytest.fixture
def bench(tmp_path: Path, runtime: Runtime) -> Callable[[str], Bench]:
    """``bench("name")``: a directory to compute a stage in."""

    def make(name: str) -> Bench:
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        return Bench(tmp_path / name, runtime)

    return make


@pytest.fixture
def tiny() -> ModelSpec:
    return ModelSpec(name="tiny", stem_stride=1, image_size=8, channels=1)


@pytest.fixture
def job() -> Callable[..., JobSpec]:
    """``job(method="neft", transfer={...})``: a resolved smoke job on digits."""

    def make(**changes: Any) -> JobSpec:
        request: dict[str, Any] = {
            "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
            "freeze_depth": 2,
            "preset": "smoke",
        }
        return resolve(JobRequest.model_validate(request | changes))

    return make


@pytest.fixture
def arm(job: Callable[..., JobSpec]) -> Callable[..., Arm]:
    """``arm("cartl", transfer={...})``: such a job's own arm, with batches that fit tiny tasks."""

    def make(method: str, *, freeze_depth: int = 2, **changes: Any) -> Arm:
        for part in ("pretrain", "transfer"):
            changes[part] = {"batch_size": 16} | changes.get(part, {})
        depth = 0 if method == "lwf" else freeze_depth
        return job(method=method, freeze_depth=depth, baselines=[], **changes).arm

    return make


@pytest.fixture
def teacher(tiny: Any, tmp_path: Path) -> Path:
    """A teacher of 3 classes whose statistics and affine batch norm are no longer the initial ones."""
    network = build_network(tiny, 3, (0.25,), (0.5,), generator(1, "network"))
    noise = generator(2, "noise")
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for tensor in (layer.weight, layer.bias):
                    tensor.add_(0.1 * torch.randn(tensor.shape, generator=noise))
        network.train()
        for _ in range(5):
            network(torch.rand(32, 1, 8, 8, generator=noise))
    save_network(tmp_path / "teacher.safetensors", network)
    return tmp_path / "teacher.safetensors"


@pytest.fixture
def variant(arm: Any) -> Callable[[str], Arm]:
    def make(name: str) -> Arm:
        method, changes = VARIANTS[name]
        made: Arm = arm(method, transfer={"epochs": EPOCHS} | changes)
        return made

    return make
