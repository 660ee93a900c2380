"""Students of teachers that came in other libraries' layouts: back in the classes that these are of."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from cartl_core.catalog.architectures.token_layers import PatchTokens
from cartl_core.nn.build import build_network
from cartl_core.nn.neft import apply_nonexpansive, bake
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.nn.timm_modules import Tokens
from cartl_core.run.exports.formats import write_layout
from cartl_core.run.exports.order import Task
from cartl_core.spec import ModelSpec
from tests.core.nn.judges import CLASSES, JUDGES, MEAN, STD, Judge, logits_of, scrambled

pytestmark = pytest.mark.slow

NAMES = tuple(f"class {number}" for number in range(CLASSES))
CONVOLUTIONS = (
    "WideResNet-10-2",
    "DMWideResNet-10-2",
    "DMPreActResNet-18",
)


def network_of(judge: Judge, size: int) -> Network:
    model = ModelSpec(name=judge.model, image_size=size, channels=3)
    net = build_network(model, CLASSES, MEAN, STD, generator(0, "network"))
    scrambled(net.blocks, seed=1)
    return net.eval().requires_grad_(False)


def images_of(net: Network) -> torch.Tensor:
    return torch.rand(3, *net.image_shape, generator=generator(2, "images"))


def close(found: torch.Tensor, wanted: torch.Tensor, *, within: float = 1e-5) -> bool:
    return float((found - wanted).abs().max()) <= within * max(1.0, float(wanted.abs().max()))


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_student_of_neft_is_strict_in_its_teacher_s_class(name: str, tmp_path: Path) -> None:
    judge, file = JUDGES[name], tmp_path / "student.safetensors"
    net = network_of(judge, 32)
    _, upper = net.split(net.block_count - 3)
    apply_nonexpansive(upper, 0.9)
    bake(upper)
    net.eval()
    write_layout(net, Task(format="layout", path=str(file), layout=judge.layout), file, NAMES)
    theirs = judge.make()
    theirs.load_state_dict(safetensors.torch.load_file(file), strict=True)
    images = images_of(net)
    assert close(logits_of(theirs.eval(), images), net(images))


def test_a_graph_with_a_class_token_takes_batches_of_any_size() -> None:
    """All that ViT adds before its blocks; the blocks themselves are timm's."""
    tokens = Tokens(PatchTokens(side=16, patch=8, channels=3, width=12))
    tokens.load_state_dict({name: torch.rand(one.shape) for name, one in tokens.state_dict().items()})
    program = torch.export.export(
        tokens,
        (torch.rand(2, 3, 16, 16),),
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        strict=False,
    )
    for count in (1, 5):
        images = torch.rand(count, 3, 16, 16)
        assert torch.equal(program.module()(images), tokens(images))
