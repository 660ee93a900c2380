"""Projected gradient descent in the Linf ball (Madry et al., ICLR 2018, arXiv 1706.06083).

``perturb`` is the inner attack of training and gives the last iterate. ``pgd`` is the attack of an
evaluation: every iterate of every restart counts, which is stronger than the usual last iterate and,
since a sample leaves at its first misclassified iterate, cheaper. Both climb the cross-entropy along
the sign of its gradient with respect to the input, and leave the model as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cartl_core.attacks.untouched import untouched
from cartl_core.spec import AttackSpec

KEEP_SHARE = 0.9
"""A batch is packed anew when fewer than this share of it still stands: the fallen cost their share of
every further pass, a new batch size costs the preparation of new kernels once. Measured on two cores,
WRN-16-2 with stem stride 2, batches of 128, PGD-20 that fools half: 14 % fewer images passed, 1 to 9 %
less processor time; each new size costs about a tenth of one pass."""


@dataclass(frozen=True)
class AttackOutcome:
    """What an attack did to N images."""

    broken: Tensor
    """(N,) bool: wrong without an attack, or fooled by some iterate."""
    adversarial: Tensor
    """(N, C, H, W): the first image that fooled the model; where it stood, the last one tried;
    where it was wrong from the start, the image itself."""
    passes: int
    """Images sent through the model, over all steps: what the attack cost."""


def perturb(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    step: float,
    steps: int,
    start: Tensor | None = None,
) -> Tensor:
    """The training attack: ``steps`` steps, the last iterate, no early end.

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) int64, the true classes.
        eps: radius in pixel units, e.g. 8/255.
        step: step size in pixel units.
        steps: at least 0.
        start: (N, C, H, W) first perturbation; none starts at the images themselves.

    Returns:
        (N, C, H, W) within eps of the images and within [0, 1], detached.
    """
    low, high = _box(images, eps)
    with untouched(model):
        iterate = _begin(images, start, low, high)
        for _ in range(steps):
            iterate.requires_grad_(True)
            with torch.enable_grad():
                logits = model(iterate)
            iterate = _climb(logits, labels, iterate, step, low, high)
    return iterate


def pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    starts: Callable[[int], Tensor] | None = None,
) -> AttackOutcome:
    """The evaluation attack: does any iterate of any restart fool ``model``?

    Images that are wrong without an attack count as broken and are never attacked.

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) int64, the true classes.
        attack: radius, step, number of steps and of restarts.
        starts: gives the first perturbation (N, C, H, W) of each restart, 0 onwards; needed when
            ``attack.random_start``.

    Raises:
        ValueError: the attack starts at random and ``starts`` is missing.
    """
    if attack.random_start and starts is None:
        raise ValueError(f"attack {attack.label} starts at random: starts must be given")
    with untouched(model):
        with torch.no_grad():
            broken = misclassified(model(images), labels)
        pursuit = _Pursuit(model, images, labels, attack, broken, images.clone(), passes=len(images))
        for restart in range(attack.restarts):
            if not pursuit.broken.all():
                pursuit.run(starts(restart) if attack.random_start and starts else None)
    return AttackOutcome(broken=pursuit.broken, adversarial=pursuit.adversarial, passes=pursuit.passes)


def misclassified(logits: Tensor, labels: Tensor) -> Tensor:
    """(N,) bool: another class wins, or the logits are not all finite. logits: (N, C); labels: (N,)."""
    wrong: Tensor = logits.argmax(dim=1) != labels
    return wrong | ~logits.isfinite().all(dim=1)


@dataclass
class _Pursuit:
    """The record of one evaluation attack over its restarts."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    attack: AttackSpec
    broken: Tensor
    adversarial: Tensor
    passes: int

    def run(self, start: Tensor | None) -> None:
        """One restart on all images that stand. ``where`` maps rows of the batch to images."""
        where = (~self.broken).nonzero().squeeze(1)
        labels = self.labels[where]
        low, high = _box(self.images[where], self.attack.eps)
        begin = None if start is None else start.to(self.images.device)[where]
        iterate = _begin(self.images[where], begin, low, high)
        for _ in range(self.attack.steps):
            iterate.requires_grad_(True)
            with torch.enable_grad():
                logits = self.model(iterate)
            standing = self._note(logits, labels, iterate, where)
            if not standing.any():
                return
            iterate = _climb(logits, labels, iterate, self.attack.step, low, high)
            if standing.sum() < KEEP_SHARE * len(standing):
                where, labels, low, high, iterate = (
                    rows[standing] for rows in (where, labels, low, high, iterate)
                )
        with torch.no_grad():
            standing = self._note(self.model(iterate), labels, iterate, where)
        self.adversarial[where[standing]] = iterate[standing]

    def _note(self, logits: Tensor, labels: Tensor, iterate: Tensor, where: Tensor) -> Tensor:
        """Write down who is fooled for the first time; returns (rows,) bool: who still stands."""
        self.passes += len(where)
        fooled = misclassified(logits, labels) & ~self.broken[where]
        self.adversarial[where[fooled]] = iterate.detach()[fooled]
        self.broken[where[fooled]] = True
        return ~self.broken[where]


def _box(images: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Lowest and highest allowed pixel: the eps ball and [0, 1] folded into one box."""
    return (images - eps).clamp(0.0, 1.0), (images + eps).clamp(0.0, 1.0)


def _begin(images: Tensor, start: Tensor | None, low: Tensor, high: Tensor) -> Tensor:
    if start is None:
        return images.detach().clone()
    return torch.clamp(images.detach() + start.to(images), low, high)


def _climb(logits: Tensor, labels: Tensor, iterate: Tensor, step: float, low: Tensor, high: Tensor) -> Tensor:
    """The next iterate: one signed step up the loss, back into the box."""
    with torch.enable_grad():
        # Summed, not averaged: each image's gradient is its own whatever the batch.
        loss = functional.cross_entropy(logits, labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, iterate)
    # A gradient that is not a number moves nothing; else the iterate would leave the box.
    direction = gradient.sign_().nan_to_num_(nan=0.0)
    return torch.clamp(iterate.detach() + step * direction, low, high)
