"""The rows of the GPU's column: a step of training, the long attack, the share of the card's matrix rate."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from benchmarks.gpu.place import Setting, Task
from benchmarks.ratios.plain_loop import Recipe, attack, train, uniform_start
from benchmarks.ratios.training_steps import context
from cartl_core.attacks import attack_with_surrogate, fold_batch_norm
from cartl_core.catalog.network_size import network_size
from cartl_core.data import ImageSet
from cartl_core.execution.stage_context import StageContext
from cartl_core.run.runtime import of_machine
from cartl_core.spec import AttackSpec, ModelSpec, PretrainSpec
from cartl_core.training.loop import TrainingTask, fit
from cartl_core.training.pretrain import adversarial, feature_distance_minimising

EPS = 8 / 255
PRECISIONS = ("fp32", "bf16")
Found = dict[str, Any]


def spec_of(batch: int, steps: int, *, fdm: bool) -> PretrainSpec:
    """One epoch of robust training."""
    inner = {"label": "training", "eps": EPS, "step": EPS / 4, "steps": steps}
    return PretrainSpec.model_validate(
        {
            "objective": "fdm" if fdm else "at",
            "attack": inner,
            "fdm_weight": 0.005 if fdm else None,
            "epochs": 1,
            "batch_size": batch,
            "lr": 0.1,
            "lr_schedule": "constant",
            "select": "last",
        }
    )


def place(setting: Setting, precision: str) -> StageContext:
    """What a stage is given on the device."""
    runtime = of_machine(setting.device, precision, torch.get_num_threads())  # type: ignore[arg-type]
    return replace(context(), runtime=runtime)


def our_step(setting: Setting, model: ModelSpec, precision: str, *, fdm: bool) -> Task:
    """One step of the library's loop, on images that lie on the host."""
    spec, network = spec_of(setting.batch, setting.inner_steps, fdm=fdm), setting.build(model)
    objective = adversarial(network, spec.attack, spec.radii)
    if fdm:
        objective = feature_distance_minimising(network, network.block_count // 2, spec)
    images, labels = setting.images(model)
    inputs = (ImageSet.of(images.cpu()), labels.cpu())

    def begin(epoch: int) -> None:
        network.train().requires_grad_(True)

    task = TrainingTask(network, dict(network.named_parameters()), objective, begin, dict, lambda: inputs)
    return lambda: fit(task, spec, seed=0, ctx=place(setting, precision))


def plain_step(setting: Setting, model: ModelSpec, precision: str, memory: torch.memory_format) -> Task:
    """The same by the plain loop, on images that lie on the device."""
    network = setting.build(model, memory)
    lower, upper = network.split(network.block_count // 2)
    images, labels = setting.images(model)
    batch = (images.to(memory_format=memory), labels)
    recipe = Recipe(eps=EPS, step=EPS / 4, steps=setting.inner_steps, fdm_weight=0.005)

    def step() -> None:
        with precise(setting, precision):
            train(lower, upper, [batch], recipe)

    return step


def precise(setting: Setting, precision: str) -> AbstractContextManager[Any]:
    """Autocast where bf16 is asked for."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(setting.device, dtype=torch.bfloat16)


def fdm_step(setting: Setting) -> Found:
    """Ours beside the plain loop, contiguous in fp32 and in channels_last in either precision."""
    found: Found = {}
    for precision in PRECISIONS:
        tasks = {"ours": our_step(setting, setting.network, precision, fdm=True)}
        for name, memory in (
            ("plain", torch.contiguous_format),
            ("plain, channels_last", torch.channels_last),
        ):
            tasks[name] = plain_step(setting, setting.network, precision, memory)
        found[precision] = against(setting.seconds(tasks), "ours")
    return found


def long_attack(setting: Setting) -> Found:
    """PGD of 100 steps: ours in fp32 beside the plain loop in fp32 and under autocast."""
    network = setting.build(setting.network).eval().requires_grad_(False)
    images, labels = setting.images(setting.network)
    surrogate, steps = fold_batch_norm(network), setting.pgd_steps
    asked = AttackSpec(label="pgd", eps=EPS, step=EPS / 10, steps=steps)
    recipe = Recipe(eps=EPS, step=EPS / 10, steps=steps)
    indices = torch.arange(len(images))
    # What an untrained network says is the truth here, so that images stand for long.
    with torch.no_grad():
        labels = network(images).argmax(1)

    def ours() -> object:
        return attack_with_surrogate(
            network, surrogate, images, labels, asked, seed=0, label="pgd", indices=indices
        )

    def plain(precision: str) -> None:
        with precise(setting, precision):
            attack(network, images, labels, recipe, uniform_start)

    tasks: dict[str, Task] = {"ours, fp32": ours}
    tasks |= {f"plain, {precision}": partial(plain, precision) for precision in PRECISIONS}
    return against(setting.seconds(tasks), "ours, fp32")


def matrix_share(setting: Setting) -> Found:
    """The rate of a PGD-10 step of the large network in bf16, as a share of the measured matrix rate."""
    left, right = (
        torch.randn(setting.matrix, setting.matrix, device=setting.device, dtype=torch.bfloat16)
        for _ in range(2)
    )
    tasks = {
        "matrices": lambda: left @ right,
        "step": our_step(setting, setting.large, "bf16", fdm=False),
    }
    seconds = setting.seconds(tasks)
    passes = 2 * setting.inner_steps + 3
    operations = 2 * network_size(setting.large, 10).macs * setting.batch * passes
    rates = {"matrices": 2 * setting.matrix**3 / seconds["matrices"], "step": operations / seconds["step"]}
    return {
        "seconds": seconds,
        "operations_a_second": rates,
        "share": rates["step"] / rates["matrices"],
        "counts": f"{passes} passes of 2 operations a multiply-add, batch {setting.batch}",
    }


def against(seconds: dict[str, float], ours: str) -> Found:
    """Seconds of all, and how many times as long the others take."""
    times = {name: its / seconds[ours] for name, its in seconds.items() if name != ours}
    return {"seconds": seconds, "times": times}


ROWS: dict[str, Callable[[Setting], Found]] = {
    "fdm_step": fdm_step,
    "pgd_100": long_attack,
    "matrix_share": matrix_share,
}
