"""Activations in place: the same bits forth and back, less that is kept, and only where nobody else looks."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from cartl_core.attacks.fold_batch_norm import fold_batch_norm
from cartl_core.nn.activations_in_place import set_in_place
from cartl_core.nn.build import build_network
from cartl_core.nn.neft import apply_nonexpansive
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from cartl_core.training.student import Student

NETWORKS = ("tiny", "wrn-10-1", "resnet18")


def network(name: str) -> Any:
    model = ModelSpec(name=name, image_size=8, channels=1)
    made = build_network(model, 3, (0.4,), (0.3,), generator(0, "network"))
    made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made


def found(model: nn.Module, images: Tensor) -> list[Tensor]:
    """Logits, and the gradients of images and parameters; statistics are moved."""
    asked = images.clone().requires_grad_(True)
    logits = model(asked)
    gradients = torch.autograd.grad(
        logits.square().sum(), [asked, *(part for part in model.parameters() if part.requires_grad)]
    )
    return [logits.detach(), *gradients, *(buffer.clone() for buffer in model.buffers())]


def kept_bytes(model: nn.Module, images: Tensor) -> int:
    """Of all different arrays that wait for the way back."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        logits = model(images)
    assert logits.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("name", "nonexpansive"), [*((name, False) for name in NETWORKS), ("tiny", True), ("wrn-10-1", True)]
)
def test_every_bit_is_the_same(name: str, nonexpansive: bool, training: bool) -> None:
    model = network(name)
    if nonexpansive:
        apply_nonexpansive(model.split(1)[1], 0.4)
    model.train(training)
    other = copy.deepcopy(model)
    set_in_place(other, in_place=True)
    images = torch.rand(6, 1, 8, 8, generator=generator(1, "images"))
    pairs = list(zip(found(model, images), found(other, images), strict=True))
    assert all(torch.equal(one, two) for one, two in pairs)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_surrogate_of_it_has_the_same_bits(name: str) -> None:
    model = network(name).eval()
    other = copy.deepcopy(model)
    set_in_place(other, in_place=True)
    images = torch.rand(6, 1, 8, 8, generator=generator(1, "images"))
    pairs = list(zip(*(found(fold_batch_norm(each), images) for each in (model, other)), strict=True))
    assert all(torch.equal(one, two) for one, two in pairs)


def test_a_third_less_is_kept_for_the_way_back() -> None:
    model = network("tiny").train()
    images = torch.rand(64, 1, 8, 8, generator=generator(1, "images"))
    before = kept_bytes(model, images)
    set_in_place(model, in_place=True)
    assert kept_bytes(model, images) < 0.75 * before


def test_what_follows_no_norm_stays_as_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.BatchNorm2d(2), nn.ReLU(), nn.ReLU())
    set_in_place(model, in_place=True)
    assert [part.inplace for part in model if isinstance(part, nn.ReLU)] == [False, True, False]


def test_a_student_is_exported_as_it_always_was(teacher: Path, arm: Any, workspace: Any) -> None:
    student = Student(arm("neft"), teacher, 4, 0, workspace("a").context())
    activations = [part for part in student.network.modules() if isinstance(part, nn.LeakyReLU)]
    assert all(part.inplace for part in activations)
    student.settle()
    assert activations and not any(part.inplace for part in activations)
