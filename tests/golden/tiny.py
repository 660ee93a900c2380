"""Data, a teacher, a runtime and a workplace for golden numbers: tiny, and the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cartl_core.data import ImageSet, Loaded, Split
from cartl_core.events import Event
from cartl_core.execution.checkpoint import Checkpoints
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.rng import generator
from cartl_core.planning.resolve import resolve
from cartl_core.planning.stage_digests import StageKey
from cartl_core.spec import Arm, JobRequest, JobSpec, ModelSpec, Runtime
from cartl_core.storage.stop_flag import StopFlag

TINY = ModelSpec(name="tiny", stem_stride=1, image_size=8, channels=1)
RUNTIME = Runtime(
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
BATCH = 16


def images_of(count: int, classes: int, seed: int, size: int = 8) -> Split:
    """Images whose classes differ in where they are bright, so that there is something to learn."""
    drawn = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    images = 0.3 * torch.rand(count, 1, size, size, generator=drawn)
    for row, label in zip(images, labels.tolist(), strict=True):
        row[:, label : label + 3, label : label + 3] += 0.6
    digests = tuple(f"{seed}-{number}".encode() for number in range(count))
    return Split(ImageSet.of(images), labels, torch.arange(count), digests)


def task(classes: int, seed: int, train: int = BATCH) -> Loaded:
    """Synthetic images, 1 x 8 x 8."""
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


def job(**changes: Any) -> JobSpec:
    """A resolved smoke job on digits."""
    request: dict[str, Any] = {
        "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
        "freeze_depth": 2,
        "preset": "smoke",
    }
    return resolve(JobRequest.model_validate(request | changes))


def arm(method: str, *, freeze_depth: int = 2, **changes: Any) -> Arm:
    """The job's own arm, with batches that fit tiny tasks."""
    for part in ("pretrain", "transfer"):
        changes[part] = {"batch_size": BATCH} | changes.get(part, {})
    depth = 0 if method == "lwf" else freeze_depth
    return job(method=method, freeze_depth=depth, baselines=[], **changes).arm


def context(directory: Path, report: Callable[[Event], None] = lambda event: None) -> StageContext:
    """A stage context in ``directory``, which is made."""
    directory.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(directory, earlier=(), announce=lambda path, fraction: None, every_seconds=1e9)
    return StageContext(
        key=StageKey("pretrain", "test stage", "0" * 64),
        directory=directory,
        checkpoints=checkpoints,
        runtime=RUNTIME,
        report=report,
        stop=StopFlag(),
        saved=None,
        progress=lambda fraction: None,
    )


def teacher(path: Path) -> Path:
    """A teacher of 3 classes whose statistics and affine batch norm are no longer the initial ones."""
    network = build_network(TINY, 3, (0.25,), (0.5,), generator(1, "network"))
    noise = generator(2, "noise")
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for tensor in (layer.weight, layer.bias):
                    tensor.add_(0.1 * torch.randn(tensor.shape, generator=noise))
        network.train()
        for _ in range(5):
            network(torch.rand(32, 1, 8, 8, generator=noise))
    save_network(path, network)
    return path
