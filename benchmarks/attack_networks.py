"""The networks that attacks are compared on: trained once by this library, then kept in a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

from cartl_core.data import load
from cartl_core.data.stratified import stratified
from cartl_core.events import Event, StageFinished
from cartl_core.nn.files import load_network
from cartl_core.nn.rng import generator
from cartl_core.planning.resolve import resolve
from cartl_core.run.pipeline import run
from cartl_core.run.runtime import resolve as resolve_runtime
from cartl_core.spec import JobRequest
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stage_result import NETWORK
from cartl_core.storage.stop_flag import StopFlag

ATTACK = {"eps": 0.05, "step": 0.03, "steps": 2}
"""Half of the radius that is usual on Fashion-MNIST: so that three quarters of the images can stand."""

JOB = {
    "dataset": {"name": "fashion_mnist", "classes": [4, 5, 6, 7, 8, 9], "train_limit": 5000},
    "source": {"name": "fashion_mnist", "classes": [0, 1, 2, 3], "train_limit": 3000},
    "method": "neft",
    "freeze_depth": 2,
    "preset": "quick",
    "pretrain": {"epochs": 3},
    "transfer": {"epochs": 8},
    "baselines": [
        {"method": "vanilla", "freeze_depth": 0, "transfer": {"epochs": 4}},
        {"method": "adversarial", "freeze_depth": 0, "transfer": {"epochs": 4, "attack": ATTACK}},
    ],
    "evaluate": {
        "attacks": [{"label": "pgd20", "eps": 0.1, "step": 0.01, "steps": 20}],
        "source_attacks": [],
        "test_limit": 100,
        **dict.fromkeys(("curve", "corruptions", "checks", "audit", "gallery")),
    },
}
"""WRN-16-2 with a stem of stride 4 on six classes of Fashion-MNIST, 28 x 28, from one robust teacher on the
other four; some five minutes of one core."""

NETWORKS = {"undefended": "student (vanilla)", "neft": "student (neft)", "robust": "student (adversarial)"}
"""Name: the stage that trains it."""


def networks(names: set[str], folder: Path, data_root: Path) -> dict[str, nn.Module]:
    """Those of ``NETWORKS`` in eval mode; all are trained where the folder lacks one of them."""
    if not all((folder / f"{name}.safetensors").is_file() for name in names):
        train(folder, data_root)
    found = {name: load_network(folder / f"{name}.safetensors").eval() for name in names}
    return {name: network.requires_grad_(False) for name, network in found.items()}


def train(folder: Path, data_root: Path) -> None:
    """Run the job and copy each student's weights to ``folder``."""
    digests: dict[str, str] = {}

    def listen(event: Event) -> None:
        if isinstance(event, StageFinished):
            digests[event.label] = event.digest

    stages = folder / "stages"
    cache = LocalStageCache(stages, listen, StopFlag())
    spec = resolve(JobRequest.model_validate(JOB))
    run(
        spec,
        cache=cache,
        data_root=data_root,
        out=folder / "run",
        report=listen,
        runtime=resolve_runtime(spec, threads=1),
    )
    for name, label in NETWORKS.items():
        shutil.copy(stages / digests[label] / NETWORK, folder / f"{name}.safetensors")


def images(data_root: Path, count: int) -> tuple[Tensor, Tensor]:
    """(count, 1, 28, 28) test images of Fashion-MNIST, as many of each class, and their labels."""
    spec = resolve(JobRequest.model_validate(JOB))
    test = load(spec.dataset, spec.model, data_root=data_root, seed=0).test
    chosen = stratified(test.labels, count, generator(0, "benchmark"))
    return test.images[chosen].contiguous(), test.labels[chosen].to(torch.int64)
