"""Students that tune little: the head alone (linear probing), or biases and norms (BitFit)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from cartl_core.nn.files import load_network
from cartl_core.nn.module_state import biases_and_norms
from cartl_core.nn.rng import generator
from cartl_core.storage.stage_result import NETWORK
from cartl_core.training.schedule import learning_rate
from cartl_core.training.transfer import transfer
from tests.fixtures.students import is_statistic


def test_a_linear_probe_is_a_linear_layer_trained_on_the_trunks_features(
    variant: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    """Against a loop of plain torch on features that were computed before: the same order, the same rates."""
    arm, target, place = variant("linear probe"), task(classes=4, seed=9), workspace("probe")
    transfer(arm, teacher, target, seed=0, ctx=place.context())
    found = load_network(place.directory / NETWORK).head

    network = load_network(teacher).eval()
    with torch.no_grad():
        features = network.penultimate(target.train.images.tensor())
    network.replace_head(4, generator(0, "head"))
    head, spec = nn.Linear(features.shape[1], 4), arm.transfer
    head.load_state_dict(network.head.state_dict())
    descent = torch.optim.SGD(
        head.parameters(), lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay
    )
    steps = len(features) // spec.batch_size
    for epoch in range(spec.epochs):
        order = torch.randperm(len(features), generator=generator(0, "order", epoch))
        for step in range(steps):
            drawn = order[step * spec.batch_size : (step + 1) * spec.batch_size]
            descent.param_groups[0]["lr"] = learning_rate(spec, epoch * steps + step, steps)
            descent.zero_grad()
            functional.cross_entropy(head(features[drawn]), target.train.labels[drawn]).backward()
            descent.step()
    assert steps * spec.epochs > 4
    torch.testing.assert_close(found.weight, head.weight, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(found.bias, head.bias, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["linear probe", "linear probe, displaced"])
def test_all_of_a_linear_probe_but_its_head_has_the_teachers_bits(
    variant: Any, teacher: Path, task: Any, workspace: Any, name: str
) -> None:
    place = workspace("probe")
    transfer(variant(name), teacher, task(classes=4, seed=9), seed=0, ctx=place.context())
    before, after = (load_network(file).state_dict() for file in (teacher, place.directory / NETWORK))
    for key, value in after.items():
        assert key.startswith("blocks.4.") or torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", ["linear probe", "linear probe, displaced"])
def test_a_probe_has_the_same_bits_with_and_without_its_features_in_memory(
    variant: Any, teacher: Path, task: Any, workspace: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    arm, target = variant(name), task(classes=4, seed=9)
    cached, plain = workspace("cached"), workspace("plain")
    transfer(arm, teacher, target, seed=0, ctx=cached.context())
    for module in ("objective", "trunk_features"):
        monkeypatch.setattr(f"cartl_core.training.{module}.cached_features", lambda *_: None)
    transfer(arm, teacher, target, seed=0, ctx=plain.context())
    assert (cached.directory / NETWORK).read_bytes() == (plain.directory / NETWORK).read_bytes()


def test_perturbed_features_make_another_probe(
    variant: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    heads = []
    for name in ("linear probe", "linear probe, displaced"):
        place = workspace(name)
        transfer(variant(name), teacher, task(classes=4, seed=9), seed=0, ctx=place.context())
        heads.append(load_network(place.directory / NETWORK).head.weight)
    assert not torch.equal(*heads)


@pytest.mark.parametrize("depth", [0, 2])
def test_bitfit_moves_biases_norms_and_the_head_alone(
    arm: Any, teacher: Path, task: Any, workspace: Any, depth: int
) -> None:
    place = workspace("bitfit")
    made = arm("bitfit", freeze_depth=depth, transfer={"epochs": 2})
    transfer(made, teacher, task(classes=4, seed=9), seed=0, ctx=place.context())
    teachers = load_network(teacher)
    before, after = teachers.state_dict(), load_network(place.directory / NETWORK).state_dict()
    norms = {
        f"{name}.{part}"
        for name, layer in teachers.named_modules()
        if isinstance(layer, nn.BatchNorm2d)
        for part in ("weight", "bias")
    }
    frozen_norms = {key for key in norms if key.startswith("blocks.") and int(key.split(".")[1]) < depth}
    moving = {key for key in before if key.startswith("blocks.4.")} | (norms - frozen_norms)
    assert len(moving) > 6
    for key, value in after.items():
        if key in moving:
            assert before[key].shape != value.shape or not torch.equal(value, before[key]), key
        elif not is_statistic(key):
            assert torch.equal(value, before[key]), key


def test_biases_and_norms_of_layers_of_every_kind() -> None:
    module = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.BatchNorm2d(2),
        nn.GroupNorm(1, 2),
        nn.LayerNorm(2),
        nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4, bias=False)),
        nn.MultiheadAttention(4, 2),
    )
    found = {id(parameter) for parameter in biases_and_norms(module)}
    names = {name for name, parameter in module.named_parameters() if id(parameter) in found}
    assert names == {
        "0.bias",
        *(f"{layer}.{part}" for layer in (1, 2, 3) for part in ("weight", "bias")),
        "4.0.bias",
        "5.in_proj_bias",
        "5.out_proj.bias",
    }
