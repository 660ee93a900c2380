"""Networks, batches and a few steps of training for the tests of NEFT."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cartl_core.nn.build import build_network
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def network(name: str = "tiny", seed: int = 0) -> Network:
    model = ModelSpec(name=name, stem_stride=2, image_size=16, channels=1)
    return build_network(model, 4, (0.3,), (0.4,), generator(seed, "network"))


def batch(seed: int = 0, count: int = 8) -> tuple[Tensor, Tensor]:
    draw = generator(seed, "batch")
    return torch.rand(count, 1, 16, 16, generator=draw), torch.randint(0, 4, (count,), generator=draw)


def train(model: nn.Module, steps: int, seed: int = 1, lr: float = 0.05, count: int = 8) -> None:
    tuned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(tuned, lr=lr, momentum=0.9, weight_decay=5e-4)
    for step in range(steps):
        images, labels = batch(seed * 1000 + step, count)
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimiser.step()


def weight_of(layer: nn.Module) -> Tensor:
    """A layer's weight, a parameter or made of one."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def effective_weights(tail: nn.Module, names: list[str]) -> dict[str, Tensor]:
    with torch.no_grad():
        return {name: weight_of(tail.get_submodule(name)) for name in names}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return list(first) == list(second) and all(torch.equal(first[key], second[key]) for key in first)
