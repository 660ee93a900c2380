"""``consistent`` from the pseudocode of docs/explanation/method.md, beside the implementation."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import random_starts
from cartl_core.nn.files import load_network
from cartl_core.training.gradient import StepContext
from cartl_core.training.student import Student
from cartl_core.training.transfer import transfer_task
from tests.fixtures.students import training_inputs

SEED = 3
COUNT = 24


def displaced(lower: nn.Module, x: Tensor, index: Tensor, eps: float) -> Tensor:
    """x' after ten steps up the distance of the features; ``lower`` in eval mode."""
    start = random_starts(x.shape[1:], eps, seed=SEED, label="displacement", restart=0, indices=index)
    moved = (x + start).clamp(0, 1)
    target = lower(x).detach()
    for _ in range(10):
        moved = moved.detach().requires_grad_(True)
        distance = (lower(moved) - target).flatten(1).norm(dim=1) / target[0].numel() ** 0.5
        (gradient,) = torch.autograd.grad(distance.sum(), moved)
        moved = (moved.detach() + eps / 4 * gradient.sign()).clamp(x - eps, x + eps).clamp(0, 1)
    return moved.detach()


def loss_of(upper: nn.Module, clean: Tensor, apart: Tensor, labels: Tensor, weight: float) -> Tensor:
    """The loss of one step; ``upper`` ends in train mode, as it is when the loss is computed."""
    upper.eval()
    at = clean.clone().requires_grad_(True)
    entropy = nn.functional.cross_entropy(upper(at), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(entropy, at)
    moved = clean + 0.25 * apart * gradient.sign()
    upper.train()
    logits, others = upper(torch.cat([clean, moved])).chunk(2)
    p, log_p, log_q = logits.softmax(1), logits.log_softmax(1), others.log_softmax(1)
    divergence = (p * (log_p - log_q)).sum(1).mean()
    total: Tensor = nn.functional.cross_entropy(logits, labels) + weight * divergence
    return total


@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_loss_and_gradient_of_a_step_are_those_of_the_pseudocode(
    arm: Any, teacher: Path, task: Any, workspace: Any, weight: float
) -> None:
    asked = arm("consistent", transfer={"displacement": {"weight": weight}})
    student = Student(asked, teacher, 4, SEED, workspace("a").context())
    training = transfer_task(student, task(classes=4, seed=9, train=COUNT))
    inputs, labels = training_inputs(training)
    student.begin_epoch(0)
    upper = copy.deepcopy(student.upper)
    clean, apart = inputs[:, 0], (inputs[:, 1] - inputs[:, 0]).abs()

    expected = loss_of(upper, clean, apart, labels, weight)
    expected.backward()
    loss = training.objective(inputs, labels, StepContext(SEED, 0, 0)).total
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    gradients = [
        (one.grad, other.grad)
        for one, other in zip(student.upper.parameters(), upper.parameters(), strict=True)
    ]
    assert len(gradients) > 10
    for ours, theirs in gradients:
        assert ours is not None
        assert theirs is not None
        assert float(theirs.abs().max()) > 0
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-6)
    ours_buffers, their_buffers = dict(student.upper.named_buffers()), dict(upper.named_buffers())
    for name, buffer in their_buffers.items():
        assert torch.allclose(ours_buffers[name].float(), buffer.float(), rtol=1e-4), name


@pytest.mark.parametrize("radii", [(1.0,), (1.5,)])
def test_what_is_found_once_is_that_of_the_pseudocode_at_the_attacks_own_radius(
    arm: Any, teacher: Path, task: Any, workspace: Any, radii: tuple[float, ...]
) -> None:
    """Rounding may turn the sign of a gradient of nearly 0, so a few numbers of a few images may differ."""
    asked = arm("consistent", pretrain={"radii": radii})
    eps = asked.pretrain.attack.eps
    student = Student(asked, teacher, 4, SEED, workspace("a").context())
    target = task(classes=4, seed=9, train=COUNT)
    inputs, _ = training_inputs(transfer_task(student, target))
    lower = load_network(teacher).split(asked.freeze_depth)[0].eval()
    for parameter in lower.parameters():
        parameter.requires_grad_(False)
    images = target.train.images.tensor()
    moved = displaced(lower, images, target.train.index, eps)
    assert float((moved - images).abs().max()) == pytest.approx(eps, rel=1e-5)
    assert torch.allclose(inputs[:, 0], lower(images), atol=1e-5)
    differs = (inputs[:, 1] - lower(moved)).abs().flatten(1).amax(1) > 1e-3
    assert int(differs.sum()) <= COUNT // 6


def test_the_climb_leaves_the_tail_as_it_was(arm: Any, teacher: Path, task: Any, workspace: Any) -> None:
    """Eval mode and no trace: statistics move once a step, by the batch of both halves."""
    student = Student(arm("consistent"), teacher, 4, SEED, workspace("a").context())
    training = transfer_task(student, task(classes=4, seed=9, train=COUNT))
    inputs, labels = training_inputs(training)
    student.begin_epoch(0)
    before = {name: buffer.clone() for name, buffer in student.upper.named_buffers() if "batches" in name}
    training.objective(inputs, labels, StepContext(SEED, 0, 0))
    assert before
    for name, buffer in student.upper.named_buffers():
        if name in before:
            assert int(buffer) == int(before[name]) + 1
    assert all(module.training for module in student.upper.modules())
