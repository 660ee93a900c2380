"""One small trained network, its weights kept with the golden data as halves, and images to measure it on."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch

from cartl_core.data import Split, load
from cartl_core.nn.build import build_network
from cartl_core.nn.files import load_network
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.spec import DataSpec
from cartl_core.storage.stage_result import NETWORK
from cartl_core.training.pretrain import pretrain
from tests.fixtures.requests import pretrain_of
from tests.golden.files import DATA
from tests.golden.tiny import TINY, arm, context

FILE = DATA / "network.safetensors"
DIGITS = DataSpec(name="digits", classes=(5, 6, 7, 8, 9))
CLASSES = 5
EPOCHS = 12


def digits(folder: Path) -> Split:
    """The test images of five classes of digits."""
    return load(DIGITS, model=TINY, data_root=folder, seed=0, download=False).test


def train(folder: Path) -> bytes:
    """The file of a network trained on digits against attacks; for ``tests.golden.record`` alone."""
    data = load(DIGITS, model=TINY, data_root=folder, seed=0, download=False)
    settings = pretrain_of(arm("vanilla", pretrain={"epochs": EPOCHS, "batch_size": 64}))
    here = context(folder / "trained")
    pretrain(settings, 0, TINY, data, seed=0, ctx=here)
    state = load_network(here.directory / NETWORK).state_dict()
    return safetensors.torch.save(
        {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    )


def fixed() -> Network:
    """The network with the kept weights, in eval mode, without gradients of its parameters."""
    network = build_network(TINY, CLASSES, (0.3,), (0.4,), generator(0, "network"))
    halves = safetensors.torch.load(FILE.read_bytes())
    own = network.state_dict()
    network.load_state_dict({name: value.to(own[name].dtype) for name, value in halves.items()})
    return network.eval().requires_grad_(False)


def shaken(network: Network, share: float, number: int) -> Network:
    """A copy whose weights are off by ``share`` of their size, each by a number of its own."""
    copy = build_network(TINY, CLASSES, (0.3,), (0.4,), generator(0, "network"))
    noise = torch.Generator().manual_seed(number)
    copy.load_state_dict(
        {
            name: value * (1 + share * torch.randn(value.shape, generator=noise))
            if value.is_floating_point()
            else value
            for name, value in network.state_dict().items()
        }
    )
    return copy.eval().requires_grad_(False)


def other() -> Network:
    """Another network for the same classes, untrained: attacks are transferred from it."""
    network = build_network(TINY, CLASSES, (0.3,), (0.4,), generator(7, "network"))
    return network.eval().requires_grad_(False)
