"""Networks on disk: what comes back has the same bits, and damage is an error with a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from torch import nn
from torch.nn.utils import parametrize

from cartl_core.errors import ResumeMismatch, WeightsNotFinite
from cartl_core.nn.build import build_network
from cartl_core.nn.files import load_network, save_network
from cartl_core.nn.network import Network, Residual
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from cartl_core.storage.atomic_write import write_whole


def trained(name: str) -> Network:
    """A network whose head, merges and running statistics differ from those of a fresh one."""
    network = build_network(
        ModelSpec(name=name, image_size=8, stem_stride=2),
        10,
        (0.1, 0.2, 0.3),
        (0.4, 0.5, 0.6),
        generator(0, "test"),
    )
    network.replace_head(3, generator(0, "head"))
    for module in network.split(2)[1].modules():
        if isinstance(module, Residual):
            module.average = True
    network.train()
    with torch.no_grad():
        network(torch.rand(8, 3, 8, 8, generator=generator(0, "batch")))
    return network.eval()


@pytest.mark.parametrize("name", ["tiny", "wrn-16-1", "resnet18"])
def test_a_network_comes_back_to_the_bit(tmp_path: Path, name: str) -> None:
    network = trained(name)
    save_network(tmp_path / "deep" / "weights.safetensors", network)
    back = load_network(tmp_path / "deep" / "weights.safetensors")
    x = torch.rand(5, 3, 8, 8, generator=generator(0, "x"))
    assert torch.equal(back(x), network(x))
    assert back.arch == network.arch
    assert not back.training


def test_channels_last_makes_no_difference_to_the_file(tmp_path: Path) -> None:
    save_network(tmp_path / "plain", trained("tiny"))
    fast = trained("tiny").to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_network(tmp_path / "fast", fast)
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "fast").read_bytes()


def test_a_parametrised_network_is_refused(tmp_path: Path) -> None:
    network = trained("tiny")
    parametrize.register_parametrization(network.head, "weight", nn.Identity())
    with pytest.raises(ValueError, match="bake"):
        save_network(tmp_path / "weights", network)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [0, 5, 300, -1])
def test_a_truncated_file_is_a_mismatch(tmp_path: Path, length: int) -> None:
    path = tmp_path / "weights.safetensors"
    save_network(path, trained("tiny"))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ResumeMismatch, match=r"weights\.safetensors"):
        load_network(path)


def test_a_file_of_other_tensors_is_a_mismatch(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ResumeMismatch):
        load_network(path)
    arch = trained("tiny").arch.model_dump_json()
    save_file({"a": torch.zeros(2)}, path, metadata={"cartl_architecture": arch})
    with pytest.raises(ResumeMismatch, match=r"lacks tensor 'normalize.mean'; tensor 'a' is unknown"):
        load_network(path)
    wider = trained("tiny").state_dict() | {"blocks.4.bias": torch.zeros(4)}
    save_file(wider, path, metadata={"cartl_architecture": arch})
    with pytest.raises(ResumeMismatch, match=r"tensor 'blocks.4.bias' is F32 \[4\], expected F32 \[3\]"):
        load_network(path)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_network(tmp_path / "weights.safetensors")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(OSError):
        write_whole(target, b"new")
    assert list(tmp_path.iterdir()) == [target]
    path = tmp_path / "file"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: {f"module.{name}": value for name, value in tensors.items()}, "module."),
        (lambda tensors: {f"_orig_mod.{name}": value for name, value in tensors.items()}, "_orig_mod."),
        (lambda tensors: dict(list(tensors.items())[1:]), "lacks tensor 'normalize.mean'"),
        (lambda tensors: tensors | {"extra.weight": torch.zeros(1)}, "'extra.weight' is unknown"),
        (lambda tensors: tensors | {"blocks.4.bias": torch.zeros(7)}, "'blocks.4.bias' is F32 \\[7\\]"),
        (lambda tensors: tensors | {"blocks.4.bias": torch.zeros(3).long()}, "'blocks.4.bias' is I64"),
    ],
)
def test_the_first_tensor_that_does_not_fit_is_named(tmp_path: Path, change: Any, said: str) -> None:
    from safetensors.torch import save_file

    network = trained("tiny")
    path = tmp_path / "weights.safetensors"
    metadata = {"cartl_architecture": network.arch.model_dump_json()}
    save_file({name: t.clone() for name, t in change(network.state_dict()).items()}, path, metadata=metadata)
    with pytest.raises(ResumeMismatch, match=said):
        load_network(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused_both_ways(tmp_path: Path, value: float) -> None:
    """Neither written nor read, with the name of the first such tensor in the order of the file."""
    network = trained("tiny")
    path = tmp_path / "network.safetensors"
    save_network(path, network)
    whole = path.read_bytes()
    tensors = safetensors.torch.load(whole)
    first, last = sorted(tensors)[0], sorted(tensors)[-1]
    for name in (first, last):
        tensors[name] = tensors[name].clone()
        tensors[name].view(-1)[0] = value
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    path.write_bytes(safetensors.torch.save(tensors, metadata))
    with pytest.raises(WeightsNotFinite) as raised:
        load_network(path)
    assert raised.value.reason == "weights_not_finite"
    assert raised.value.values["tensor"] in (first, last) and str(raised.value.values["tensor"]) in str(
        raised.value
    )
    with torch.no_grad():
        network.head.weight.view(-1)[1] = value
    path.write_bytes(whole)
    with pytest.raises(WeightsNotFinite, match=r"1 of .* numbers of the tensor blocks\.4\.weight"):
        save_network(path, network)
    assert path.read_bytes() == whole
