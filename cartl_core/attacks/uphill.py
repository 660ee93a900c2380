"""What an attack that follows gradients sees at a point: logits, the loss, and which way is up.

A network that draws random numbers is asked several times at each point. The step follows the mean of the
gradients, as in expectation over transformation (Athalye et al. 2018, arXiv 1802.00420, section 4.1), and the
mean of the logits decides which class the network says. So one lucky draw out of thousands breaks nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn


class Aim(Protocol):
    """What each row climbs, of a batch from which rows leave."""

    def __call__(self, logits: Tensor, where: Tensor) -> Tensor:
        """Of logits (rows, K) and the images (rows,) that they are of: (rows,)."""
        ...


class View(NamedTuple):
    """A point as the network sees it, a row each.

    Attributes:
        logits: (rows, K).
        value: (rows,) of the loss.
        uphill: (rows, C, H, W) gradient of each row's own value.
    """

    logits: Tensor
    value: Tensor
    uphill: Tensor


def look(model: nn.Module, point: Tensor, loss: Callable[[Tensor], Tensor], samples: int = 1) -> View:
    """The mean of ``samples`` passes of ``point``, one pass in memory at a time.

    Args:
        model: maps (rows, C, H, W) in [0, 1] to logits (rows, K).
        point: (rows, C, H, W).
        loss: of logits: what each row climbs, (rows,).
        samples: at least 1.
    """
    first = _pass(model, point, loss)
    if samples == 1:
        return first
    sums = [part.clone() for part in first]
    for _ in range(samples - 1):
        for total, part in zip(sums, _pass(model, point, loss), strict=True):
            total += part
    return View(*(total / samples for total in sums))


def answers(model: nn.Module, point: Tensor, samples: int = 1) -> Tensor:
    """(rows, K): the mean logits of ``samples`` passes."""
    with torch.no_grad():
        logits: Tensor = model(point)
        for _ in range(samples - 1):
            logits = logits + model(point)
    return logits if samples == 1 else logits / samples


def _pass(model: nn.Module, point: Tensor, loss: Callable[[Tensor], Tensor]) -> View:
    asked = point.detach().requires_grad_(True)
    with torch.enable_grad():
        logits = model(asked)
        # Summed, not averaged: each image's gradient is its own whatever the batch.
        values = loss(logits)
        (gradient,) = torch.autograd.grad(values.sum(), asked)
    return View(logits.detach(), values.detach(), gradient)
