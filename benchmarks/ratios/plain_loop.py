"""A plain PyTorch loop of robust training, written as the definitions read: what most people would write.

One batch after another: PGD in eval mode (Madry et al. 2018), then a training step on the attacked images,
for ``fdm`` with the distance of their features to the clean ones (Chen et al. 2021). Parameters ask for
gradients throughout, the gradient of the attack is taken of the mean loss, the loss is fetched each step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

PAPER_BATCH = 128


@dataclass(frozen=True)
class Recipe:
    """What is trained: ``fdm_weight`` None is adversarial training alone. Radii in pixel units."""

    eps: float
    step: float
    steps: int
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    fdm_weight: float | None = None


def uniform_start(images: Tensor, eps: float) -> Tensor:
    """A random point of the ball, (N, C, H, W)."""
    return torch.empty_like(images).uniform_(-eps, eps)


def train(
    lower: nn.Module,
    upper: nn.Module,
    batches: list[tuple[Tensor, Tensor]],
    recipe: Recipe,
    start: Callable[[Tensor, float], Tensor] = uniform_start,
) -> list[float]:
    """A step on each batch; returns the losses.

    Args:
        lower: the network up to where ``fdm`` compares features.
        upper: the rest of it.
        batches: images (N, C, H, W) in [0, 1] and labels (N,).
    """
    network = nn.Sequential(lower, upper)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    losses = []
    for images, labels in batches:
        attacked = attack(network, images, labels, recipe, start)
        network.train()
        features = lower(attacked)
        logits = upper(features)
        loss = functional.cross_entropy(logits, labels)
        if recipe.fdm_weight is not None:
            clean = lower(images)
            upper(clean)  # a train-mode pass moves the running statistics of every layer
            distance = (features - clean).flatten(1).norm(dim=1) / features[0].numel() ** 0.5
            loss = loss + recipe.fdm_weight * PAPER_BATCH * distance.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def attack(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    start: Callable[[Tensor, float], Tensor],
) -> Tensor:
    """PGD in linf and [0, 1]: the last iterate (N, C, H, W)."""
    network.eval()
    attacked = (images + start(images, recipe.eps)).clamp(0, 1)
    for _ in range(recipe.steps):
        attacked.requires_grad_(True)
        loss = functional.cross_entropy(network(attacked), labels)
        (gradient,) = torch.autograd.grad(loss, attacked)
        moved = attacked.detach() + recipe.step * gradient.sign()
        attacked = images + (moved - images).clamp(-recipe.eps, recipe.eps)
        attacked = attacked.clamp(0, 1).detach()
    return attacked
