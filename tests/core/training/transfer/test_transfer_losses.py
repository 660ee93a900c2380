"""The student's stage: what it minimises, against each loss written out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.nn.files import load_network
from cartl_core.nn.rng import generator
from cartl_core.training.feature_perturbation import farthest_images
from cartl_core.training.gradient import StepContext
from cartl_core.training.loop import fit
from cartl_core.training.student import Student
from cartl_core.training.transfer import transfer_task
from tests.fixtures.students import training_inputs


def test_the_lwf_loss_and_statistics_are_as_written_out(
    variant: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    arm = variant("lwf")
    student = Student(arm, teacher, 4, 0, workspace("a").context())
    target = task(classes=4, seed=9)
    images, labels = target.train.images[:8], target.train.labels[:8]
    student.begin_epoch(1)
    aside, distillation_teacher = load_network(teacher).train(), load_network(teacher)
    aside.blocks[-1] = student.network.head
    first = next(layer for layer in aside.modules() if isinstance(layer, nn.BatchNorm2d))
    before = first.running_mean.clone()  # type: ignore[union-attr]
    entering: list[Tensor] = []
    first.register_forward_pre_hook(lambda module, inputs: entering.append(inputs[0].detach()))
    features, wanted = aside.penultimate(images), distillation_teacher.penultimate(images)
    logits = student.network.head(features)
    total = 0.0
    for row, label, own, other in zip(logits, labels, features, wanted, strict=True):
        total += (torch.logsumexp(row, 0) - row[label]).item()
        total += arm.transfer.lwf_weight * sum((own - other).abs().tolist())
    objective = transfer_task(student, target).objective
    loss = objective(images, labels, StepContext(0, 1, 0))
    assert loss.total.item() == pytest.approx(total / len(labels), rel=1e-4)
    layer = next(layer for layer in student.network.modules() if isinstance(layer, nn.BatchNorm2d))
    torch.testing.assert_close(
        layer.running_mean, 0.9 * before + 0.1 * entering[0].mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-6
    )


def test_consistency_adds_the_divergence_of_answers_to_the_clean_cross_entropy(
    arm: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    asked = {"displacement": {"steps": 1, "loss": "consistency", "weight": 2.0}}
    student = Student(arm("vanilla", transfer=asked), teacher, 4, 0, workspace("a").context())
    training_task = transfer_task(student, task(classes=4, seed=9))
    inputs, labels = training_inputs(training_task)
    student.begin_epoch(0)
    aside = copy.deepcopy(student.upper)
    clean, moved = aside(torch.cat([inputs[:8, 0], inputs[:8, 1]])).log_softmax(1).chunk(2)
    expected = -clean[range(8), labels[:8]].mean() + 2 * (clean.exp() * (clean - moved)).sum(1).mean()
    loss = training_task.objective(inputs[:8], labels[:8], StepContext(0, 0, 0))
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-4)


def test_consistent_tuning_asks_the_tail_itself_where_its_features_must_not_go(
    arm: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    """Against the sum written out: a quarter of the displacement, to the sides of the tail's gradient."""
    student = Student(arm("consistent"), teacher, 4, 0, workspace("a").context())
    training_task = transfer_task(student, task(classes=4, seed=9))
    inputs, labels = training_inputs(training_task)
    labels = labels[:8]
    student.begin_epoch(0)
    aside = copy.deepcopy(student.upper)
    at = inputs[:8, 0].clone().requires_grad_(True)
    aside.eval()(at).log_softmax(1)[range(8), labels].sum().backward()
    assert at.grad is not None
    turned = inputs[:8, 0] - 0.25 * (inputs[:8, 1] - inputs[:8, 0]).abs() * at.grad.sign()
    clean, moved = aside.train()(torch.cat([inputs[:8, 0], turned])).log_softmax(1).chunk(2)
    expected = -clean[range(8), labels].mean() + (clean.exp() * (clean - moved)).sum(1).mean()
    loss = training_task.objective(inputs[:8], labels, StepContext(0, 0, 0))
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_tail_is_held_near_what_the_teachers_tail_makes_of_the_same_features(
    variant: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    arm, target = variant("distilled"), task(classes=4, seed=9)
    student = Student(arm, teacher, 4, 0, workspace("a").context())
    training_task = transfer_task(student, target)
    inputs, labels = training_inputs(training_task)
    student.begin_epoch(0)
    aside = copy.deepcopy(student.upper)
    features = student.lower(target.train.images[:8])
    inner = aside[:-1](features)  # type: ignore[index]
    wanted = load_network(teacher).eval().penultimate(target.train.images[:8])
    distance = (inner - wanted).abs().sum(dim=1).mean()
    entropy = nn.functional.cross_entropy(aside[-1](inner), labels[:8])  # type: ignore[index]
    loss = training_task.objective(inputs[:8], labels[:8], StepContext(0, 0, 0))
    assert loss.total.item() == pytest.approx((entropy + 0.05 * distance).item(), rel=1e-4)
    assert loss.metrics["distillation_distance"].item() == pytest.approx(distance.item(), rel=1e-4)


def test_an_anchor_pulls_the_tail_to_the_teacher_and_nothing_pulls_it_to_zero(
    variant: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    """One step of gradient descent by hand: g + a (w - w0) for the tail, g + decay w for the head."""
    arm = variant("anchored")
    rate, pull = 0.5, 0.1
    training = arm.transfer.model_copy(
        update={"lr": rate, "lr_schedule": "constant", "momentum": 0.0, "weight_decay": 0.2, "epochs": 1}
    )
    target = task(classes=4, seed=9, train=16)
    student = Student(arm, teacher, 4, 0, workspace("a").context())
    training_task = transfer_task(student, target)
    held, head = set(training_task.undecayed), {"blocks.4.weight", "blocks.4.bias"}
    assert held | head == set(student.tuned) and not held & head
    with torch.no_grad():
        for name in held:
            student.tuned[name].add_(0.01)
    before = {name: value.detach().clone() for name, value in student.tuned.items()}
    aside = copy.deepcopy(student.network)
    lower, upper = aside.split(arm.freeze_depth)
    upper.train()
    order = torch.randperm(16, generator=generator(0, "order", 0))
    features = lower.eval()(target.train.images[order])
    nn.functional.cross_entropy(upper(features), target.train.labels[order]).backward()
    fit(training_task, training, seed=0, ctx=workspace("a").context())
    for name, parameter in aside.named_parameters():
        if name in before:
            assert parameter.grad is not None
            slope = parameter.grad + (pull * 0.01 if name in held else 0.2 * before[name])
            torch.testing.assert_close(student.tuned[name], before[name] - rate * slope, rtol=1e-3, atol=1e-5)


def test_noise_is_added_to_what_the_tail_learns_from(
    variant: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    student = Student(variant("noisy"), teacher, 4, seed=3, ctx=workspace("a").context())
    images = task(classes=4, seed=9).train.images[:16]
    seen: list[Tensor] = []
    student.lower.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    training_task = transfer_task(student, task(classes=4, seed=9))
    assert training_inputs(training_task)[0].shape[1:] == images.shape[1:], (
        "images, not features made of them once"
    )
    seen.clear()
    for step in (0, 1):
        training_task.objective(images, torch.zeros(16, dtype=torch.int64), StepContext(3, 0, step))
    first, second = (noisy - images for noisy in seen)
    assert float(first.std()) == pytest.approx(0.25, rel=0.1)
    assert abs(float(first.mean())) < 0.03
    assert not torch.equal(first, second)
    halves = [
        training_task.objective(images[8:], torch.zeros(8, dtype=torch.int64), StepContext(3, 0, 0, 8, 16))
    ]
    assert len(halves) == 1
    torch.testing.assert_close(seen[-1], seen[0][8:])


def test_the_images_are_attacked_as_hard_as_the_schedule_says(
    variant: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    """Three epochs of two steps: clean images in the first, full strength in the last step."""
    arm = variant("adversarial, eps growing")
    student = Student(arm, teacher, 4, seed=3, ctx=workspace("a").context())
    images, labels = task(classes=4, seed=9).train.images[:16], torch.arange(16) % 4
    seen: list[Tensor] = []
    student.lower.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    training_task = transfer_task(student, task(classes=4, seed=9))
    for step in range(6):
        training_task.objective(images, labels, StepContext(3, step // 2, step % 2, steps=2))
    moved = [float((shown - images).abs().max()) / arm.transfer.attack.eps for shown in seen]
    assert moved == pytest.approx([0, 0, 1 / 6, 1 / 2, 5 / 6, 1], abs=1e-5)


def test_the_loss_of_displaced_features_is_as_written_out(
    variant: Any, teacher: Path, task: Any, workspace: Any
) -> None:
    """Both kinds of features in one batch; each epoch has the next copy; 1 part clean to 3 displaced."""
    arm, target, ctx = variant("displaced twice"), task(classes=4, seed=9), workspace("a").context()
    student = Student(arm, teacher, 4, 5, ctx)
    training_task = transfer_task(student, target)
    training_task.prologue()
    inputs, labels = training_inputs(training_task)
    chosen, answers = inputs[:8], labels[:8]
    assert inputs.shape[:2] == (len(labels), 3)
    for epoch, taken in ((0, 0), (1, 1), (2, 0)):
        aside = copy.deepcopy(student.upper).train()
        both = torch.cat(
            [
                student.lower(target.train.images[:8]),
                student.lower(
                    farthest_images(
                        student.lower,
                        target.train,
                        arm.transfer.displacement,
                        copy=taken,
                        seed=5,
                        ctx=ctx,
                    )[:8]
                ),
            ]
        )
        logits = aside(both)
        expected = 0.0
        for row, label, weight in zip(logits, [*answers, *answers], [1] * 8 + [3] * 8, strict=True):
            expected += weight * (torch.logsumexp(row, 0) - row[label]).item()
        student.begin_epoch(epoch)
        loss = training_task.objective(chosen, answers, StepContext(5, epoch, 0))
        assert loss.total.item() == pytest.approx(expected / 32, rel=1e-4)
