from __future__ import annotations

from math import prod, sqrt

import pytest
import torch
from torch import Tensor, nn

from cartl_core.data import ImageSet
from cartl_core.evaluation.feature_displacement import (
    certified_distance,
    displacement,
    mean_feature,
    off_centre,
)
from cartl_core.nn.lipschitz import audit_tail
from cartl_core.nn.neft_operator import apply_operator, bake_operator
from cartl_core.nn.network import GlobalPool, Residual, initialise
from cartl_core.nn.rng import generator

CLASSES = 3


def head_and_features(seed: int = 0, count: int = 40) -> tuple[nn.Linear, Tensor, Tensor]:
    head = nn.Linear(6, CLASSES).double()
    for parameter in head.parameters():
        nn.init.normal_(parameter, generator=generator(seed, "head", parameter.numel()))
    features = torch.randn(count, 6, generator=generator(seed, "features"), dtype=torch.float64)
    return head, features, head(features).argmax(1)


def test_a_linear_head_holds_to_the_certified_distance_and_falls_just_beyond() -> None:
    """Closed form: the nearest point of another class lies across w_j - w_y."""
    head, features, labels = head_and_features()
    with torch.no_grad():
        distance = certified_distance(head(features), labels, head.weight)
        assert (distance > 0).all()
        broken = torch.zeros(len(labels), dtype=torch.bool)
        for rival in range(CLASSES):
            across = head.weight[rival] - head.weight[labels]
            step = nn.functional.normalize(across, dim=1) * distance[:, None]
            assert torch.equal(head(features + (1 - 1e-6) * step).argmax(1), labels)
            broken |= head(features + (1 + 1e-6) * step).argmax(1) != labels
    assert broken.all()


def test_it_is_never_less_than_the_margin_over_root_2_times_the_norm() -> None:
    head, features, labels = head_and_features(seed=1)
    with torch.no_grad():
        logits = head(features)
        margin = logits.gather(1, labels[:, None])[:, 0] - logits.scatter(
            1, labels[:, None], -torch.inf
        ).amax(1)
        simple = margin / (sqrt(2) * torch.linalg.matrix_norm(head.weight, ord=2))
        assert (certified_distance(logits, labels, head.weight) >= simple * (1 - 1e-6)).all()


def test_wrong_and_tied_answers_have_no_distance() -> None:
    logits = torch.tensor([[1.0, 2.0], [1.0, 1.0], [2.0, 1.0], [float("nan"), 0.0]], dtype=torch.float64)
    head = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    distance = certified_distance(logits, torch.zeros(4, dtype=torch.int64), head)
    assert distance.tolist() == pytest.approx([0.0, 0.0, 1 / sqrt(2), 0.0], rel=1e-6)
    same = certified_distance(logits[2:3], torch.tensor([0]), torch.ones(2, 2))
    assert same.tolist() == [float("inf")]


def images_of(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Classes differ in where they are bright."""
    labels = torch.arange(count) % CLASSES
    images = 0.2 * torch.rand(count, 1, 8, 8, generator=generator(seed, "images"), dtype=torch.float64)
    for row, label in zip(images, labels.tolist(), strict=True):
        row[:, 2 * label : 2 * label + 4, 2 * label : 2 * label + 4] += 0.7
    return images, labels


def convolution(inside: int, outside: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 3, stride, 1, bias=False)


@pytest.fixture(scope="module")
def non_expansive() -> nn.Sequential:
    """A small network tuned by the true norm, on pixels as they are: its certificates say something."""
    branch = nn.Sequential(convolution(8, 8), nn.BatchNorm2d(8), nn.LeakyReLU(0.1), convolution(8, 8))
    net = nn.Sequential(
        convolution(1, 8, 2), nn.BatchNorm2d(8), nn.LeakyReLU(0.1), Residual(branch=branch), GlobalPool()
    )
    net.append(nn.Linear(8, CLASSES))
    initialise(net, generator(0, "network"))
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.3
    net.double()
    apply_operator(net, 1.0, torch.zeros(1, 1, 8, 8, dtype=torch.float64), generator(0, "power"))
    images, labels = images_of(48, seed=1)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    net.train()
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(50 * net(images), labels).backward()
        optimiser.step()
    bake_operator(net)
    return net.eval().requires_grad_(False)


def attacked(model: nn.Module, images: Tensor, labels: Tensor, radius: Tensor, seed: int) -> Tensor:
    """L2 PGD on the margin, to each image's own radius; the ball is whole, not cut with [0, 1]."""
    room = radius.view(-1, 1, 1, 1)
    delta = torch.randn(images.shape, generator=generator(seed, "start"), dtype=images.dtype)
    delta = delta / delta.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * room
    for _ in range(40):
        delta.requires_grad_(True)
        logits = model(images + delta)
        rival = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
        (gradient,) = torch.autograd.grad((rival - logits.gather(1, labels[:, None])[:, 0]).sum(), delta)
        moved = delta.detach() + 0.2 * room * nn.functional.normalize(gradient.flatten(1)).view_as(delta)
        length = moved.flatten(1).norm(dim=1).view(-1, 1, 1, 1).clamp_min(1e-12)
        delta = moved * (room / length).clamp(max=1)
    result: Tensor = images + delta
    return result


def test_no_image_is_certified_and_broken(non_expansive: nn.Sequential) -> None:
    images, labels = images_of(30, seed=2)
    audit = audit_tail(non_expansive, (1, 8, 8), generator(0))
    body = prod(block.upper_bound for block in audit.blocks[:-1])
    assert audit.tail_constant <= 1
    head = non_expansive[-1]
    assert isinstance(head, nn.Linear)
    radius = certified_distance(non_expansive(images), labels, head.weight) / body
    assert float((radius > 0.05).double().mean()) > 0.5, "the certificates must not be vacuous"
    for seed in range(2):
        tried = attacked(non_expansive, images, labels, radius, seed)
        broken = non_expansive(tried).argmax(1) != labels
        assert not (broken & (radius > 0)).any()
    beyond = attacked(non_expansive, images, labels, 20 * radius.clamp_min(0.05), 0)
    assert (non_expansive(beyond).argmax(1) != labels).any(), "the attack must be able to break something"


def test_displacement_and_spread_are_what_they_say(non_expansive: nn.Sequential) -> None:
    lower = non_expansive[:4]
    images, _ = images_of(10, seed=3)
    other = images + 0.1 * torch.rand(images.shape, generator=generator(4))
    features, moved = lower(images).flatten(1), lower(other).flatten(1)
    torch.testing.assert_close(displacement(lower, other, images), (moved - features).norm(dim=1))
    centre = mean_feature(lower, ImageSet.of(images), 3, torch.device("cpu"))
    torch.testing.assert_close(centre[0].flatten(), features.mean(0))
    torch.testing.assert_close(off_centre(lower, images, centre), (features - features.mean(0)).norm(dim=1))
