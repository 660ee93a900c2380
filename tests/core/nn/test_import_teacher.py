"""Networks of others come in computing the same: judged by the classes that they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cartl_core import load_network, save_network
from cartl_core.attacks import fold_batch_norm
from cartl_core.catalog.layouts import LAYOUTS, OURS, TeacherRefused
from cartl_core.catalog.network_file import inspect
from cartl_core.nn.build import build_network
from cartl_core.nn.convert_checkpoint import convert_checkpoint
from cartl_core.nn.import_teacher import ImportedTeacher, import_teacher
from cartl_core.nn.lipschitz import audit_tail
from cartl_core.nn.neft import apply_nonexpansive, bake
from cartl_core.nn.rng import generator
from cartl_core.run.exports.formats import write_layout
from cartl_core.run.exports.order import Task
from cartl_core.spec import ModelSpec
from cartl_core.spec.resources.teacher import NewTeacher
from tests.core.nn.judges import CLASSES, JUDGES, MEAN, STD, Judge, logits_of, scrambled

TOLD = {"mean": list(MEAN), "std": list(STD)}
CLOSE = 1e-5
NAMES = tuple(f"class {number}" for number in range(CLASSES))


def new_teacher(**told: Any) -> NewTeacher:
    return NewTeacher.model_validate({"name": "teacher", "size": 1, **told})


def taken_in(state: dict[str, Tensor], path: Path, **told: Any) -> ImportedTeacher:
    save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, path)
    return import_teacher(path, new_teacher(**told))


def difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max().clamp_min(1.0))


@pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES.keys())
def test_a_network_comes_in_as_its_own_class_computes_it(judge: Judge, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = scrambled(judge.make(), seed=1)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    convert_checkpoint(tmp_path / "theirs.pth", tmp_path / "theirs.safetensors")
    teacher = import_teacher(
        tmp_path / "theirs.safetensors", new_teacher(normalisation=TOLD, architecture=judge.architecture)
    )
    network = teacher.network
    images = torch.rand(2, 3, judge.size, judge.size, generator=torch.Generator().manual_seed(2))
    expected = logits_of(theirs, images)
    with torch.no_grad():
        found = network(images)
    assert (teacher.layout, network.arch.model.name) == (judge.layout, judge.model)
    assert network.arch.classes == CLASSES and difference(found, expected) < CLOSE
    # The logits depend on the images far more than they may differ.
    assert difference(expected[0], expected[1]) > 20 * CLOSE

    save_network(tmp_path / "ours.safetensors", network)
    with torch.no_grad():
        assert torch.equal(load_network(tmp_path / "ours.safetensors")(images), found)
        for depth in (0, 1, network.block_count - 1):
            lower, upper = network.split(depth)
            assert torch.equal(upper(lower(images)), found)
        assert difference(fold_batch_norm(network)(images), found) < 1e-4
    assert inspect(tmp_path / "ours.safetensors").architecture == network.arch
    assert len(teacher.blocks) == network.block_count
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert sum(block.parameters for block in teacher.blocks) == parameters
    assert teacher.blocks[-1].macs == network.head.in_features * CLASSES
    assert len({block.name for block in teacher.blocks}) == len(teacher.blocks)

    back, fresh = tmp_path / "back.safetensors", judge.make()
    write_layout(network, Task(format="layout", path=str(back), layout=judge.layout), back, NAMES)
    fresh.load_state_dict(load_file(back), strict=True)
    assert torch.equal(logits_of(fresh.eval(), images), expected)


def test_every_layout_has_a_judge() -> None:
    assert {judge.layout for judge in JUDGES.values()} == set(LAYOUTS)


def test_another_padding_would_show() -> None:
    """DMWideResNet's padding is not 1: with it the same weights compute something else."""
    theirs = scrambled(JUDGES["DMWideResNet-10-2"].make(), seed=1)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    expected = logits_of(theirs, images)
    for block in theirs.modules():
        if getattr(block, "_stride", None) == 2:
            block._stride = 1  # type: ignore[assignment]
    # Stride 1 of the block means a padding of 1 on each side; its convolution keeps its stride of 2.
    assert difference(logits_of(theirs, images), expected) > 100 * CLOSE


def test_wide_resnets_of_two_libraries_are_not_taken_for_each_other(tmp_path: Path) -> None:
    dm = JUDGES["DMWideResNet-10-2"].make().state_dict()
    with pytest.raises(TeacherRefused) as refused:
        taken_in(dm, tmp_path / "dm.safetensors", normalisation=TOLD, layout="robustbench-wrn")
    assert refused.value.reason == "layout_unknown"
    with pytest.raises(TeacherRefused) as refused:
        taken_in(dm, tmp_path / "dm.safetensors", normalisation=TOLD, architecture={"name": "wrn-10-2-relu"})
    assert refused.value.reason == "layout_unknown"


PREFIXES = (
    "module.",
    "model.",
    "_orig_mod.",
    "backbone.",
    "module.model.",
    "_orig_mod.module.",
    "module._orig_mod.backbone.",
    "ema.module.",
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_stands_before_all_names_is_stripped(prefix: str, tmp_path: Path) -> None:
    theirs = scrambled(JUDGES["WideResNet-10-2"].make(), seed=1)
    state = {prefix + name: tensor for name, tensor in theirs.state_dict().items()}
    state["n_averaged"] = torch.tensor(5)
    teacher = taken_in(state, tmp_path / "theirs.safetensors", normalisation=TOLD)
    images = torch.rand(2, 3, 32, 32)
    assert teacher.prefix == prefix
    with torch.no_grad():
        assert difference(teacher.network(images), logits_of(theirs, images)) < CLOSE


@pytest.mark.parametrize(
    ("means", "shape"),
    [
        (("mu", "sigma"), (1, 3, 1, 1)),
        (("normalize.mean", "normalize.std"), (1, 3, 1, 1)),
        (("module.normalizer.new_mean", "module.normalizer.new_std"), (3, 1, 1)),
        (("image_mean", "image_std"), (3,)),
    ],
)
def test_a_normalisation_in_the_file_is_read_from_it(
    means: tuple[str, str], shape: tuple[int, ...], tmp_path: Path
) -> None:
    theirs = scrambled(JUDGES["CIFAR ResNet-18"].make(), seed=1)
    state = {f"module.model.{name}": tensor for name, tensor in theirs.state_dict().items()}
    state |= {name: torch.tensor(values).view(shape) for name, values in zip(means, (MEAN, STD), strict=True)}
    teacher = taken_in(state, tmp_path / "theirs.safetensors")
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert difference(teacher.network(images), logits_of(theirs, images)) < CLOSE
    assert teacher.normalisation_tensors == means
    with pytest.raises(TeacherRefused) as refused:
        taken_in(state, tmp_path / "theirs.safetensors", normalisation="none")
    assert refused.value.reason == "normalisation_needed" and "the file says" in refused.value.message


def test_a_checkpoint_of_madrylab_holds_the_network_twice(tmp_path: Path) -> None:
    theirs = scrambled(JUDGES["resnet18"].make(), seed=1)
    state: dict[str, Tensor] = {}
    for before in ("module.model.", "module.attacker.model."):
        state |= {before + name: tensor for name, tensor in theirs.state_dict().items()}
    for before in ("module.normalizer.", "module.attacker.normalize."):
        state |= {f"{before}new_mean": torch.tensor(MEAN), f"{before}new_std": torch.tensor(STD)}
    teacher = taken_in(state, tmp_path / "theirs.safetensors")
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert difference(teacher.network(images), logits_of(theirs, images)) < CLOSE


def test_half_precision_and_old_files_without_counts_come_in(tmp_path: Path) -> None:
    theirs = scrambled(JUDGES["WideResNet-10-2"].make().half(), seed=1).float()
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in theirs.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    theirs.load_state_dict(state, strict=False)
    teacher = taken_in(state, tmp_path / "theirs.safetensors", normalisation=TOLD)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert difference(teacher.network(images), logits_of(theirs, images)) < CLOSE


def test_a_file_of_ours_tells_all_by_itself(tmp_path: Path) -> None:
    model = ModelSpec(name="tiny", image_size=8, channels=1)
    network = build_network(model, 10, (0.5,), (0.25,), generator(0, "network")).eval()
    save_network(tmp_path / "ours.safetensors", network)
    teacher = import_teacher(tmp_path / "ours.safetensors", new_teacher())
    images = torch.rand(2, 1, 8, 8)
    assert teacher.layout == OURS and teacher.network.arch == network.arch
    assert [block.name for block in teacher.blocks] == ["block1", "block2", "block3", "block4", "head"]
    with torch.no_grad():
        assert torch.equal(teacher.network(images), network(images))


@pytest.mark.parametrize("name", ["WideResNet-10-2", "DMWideResNet-10-2", "resnet18"])
def test_their_layers_are_audited_and_made_nonexpansive(name: str, tmp_path: Path) -> None:
    """The proven constant holds for random pairs of inputs, padding and max-pooling included."""
    judge = JUDGES[name]
    state = scrambled(judge.make(), seed=1).state_dict()
    teacher = taken_in(
        state, tmp_path / "theirs.safetensors", normalisation=TOLD, architecture=judge.architecture
    )
    network, draw = teacher.network, generator(0, "audit")
    shape = (3, 16, 16)
    constant = audit_tail(network.split(0)[1], shape, draw).tail_constant
    images = torch.rand(8, *shape)
    moved = images + 1e-3 * torch.randn(images.shape)
    with torch.no_grad():
        apart = (network.double()(images.double()) - network(moved.double())).norm(dim=1)
    assert bool((apart <= constant * (images.double() - moved.double()).flatten(1).norm(dim=1)).all())
    network.float()
    upper = network.split(network.block_count - 3)[1]
    apply_nonexpansive(upper, 0.4)
    bake(upper)
    assert torch.isfinite(network(images)).all()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.MaxPool2d(3, 2, 1), (2, 9, 9)), (nn.ZeroPad2d((0, 1, 0, 1)), (2, 5, 5)), (nn.SiLU(), (3, 4, 4))],
)
def test_bounds_of_new_layers_hold_and_are_not_far_off(layer: nn.Module, shape: tuple[int, ...]) -> None:
    """Gradient ascent on how far two inputs part comes near the bound and never above."""
    bound = audit_tail(nn.Sequential(layer), shape, generator(0, "audit")).tail_constant
    draw = torch.Generator().manual_seed(0)
    base = torch.randn((64, *shape), generator=draw, dtype=torch.float64) * 2
    step = torch.randn(base.shape, generator=draw, dtype=torch.float64) * 1e-4
    ratio = (layer(base + step) - layer(base)).flatten(1).norm(dim=1) / step.flatten(1).norm(dim=1)
    assert float(ratio.max()) <= bound * (1 + 1e-9)
    spike = torch.zeros((1, *shape), dtype=torch.float64)
    spike[..., 3, 3] = 2.4
    moved = spike.clone()
    moved[..., 3, 3] += 1e-4
    reached = float((layer(moved) - layer(spike)).norm() / (moved - spike).norm())
    assert 0.99 * bound <= reached <= bound * (1 + 1e-9)
