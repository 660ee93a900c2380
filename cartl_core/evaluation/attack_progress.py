"""How far an attack on one batch is, by the images that still go through the network at each of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.attack import TARGETED

LEAST_MOVE = 0.01
"""Less is not told: a long attack has thousands of steps."""
MOST = 0.99
"""Of a batch whose attack takes more passes than were expected."""


def most_passes(attack: AttackSpec, classes: int) -> int:
    """Passes that an image which never falls takes, about: one a step, and the first look at it."""
    targets = min(attack.targets, classes - 1) if attack.loss in TARGETED else 1
    return 1 + attack.steps * attack.restarts * targets


class AttackProgress:
    """Counts the passes of an attack.

    Images that were fooled leave the attack. What is left is told as if no more of them did, which makes the
    share too small rather than too large.

    Args:
        attack: under way.
        tell: is told the share of the batch, from 0 to 1, which only grows.
    """

    def __init__(self, attack: AttackSpec, tell: Callable[[float], None]) -> None:
        self._attack = attack
        self._tell = tell
        self._passes = 0
        self._images = 0
        self._told = 0.0

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], logits: Tensor) -> None:
        """A batch has gone through the network: a hook behind its forward pass."""
        images, classes = logits.shape
        self._passes += 1
        self._images += images
        left = images * max(0, most_passes(self._attack, classes) - self._passes)
        done = min(MOST, self._images / max(1, self._images + left))
        if done >= self._told + LEAST_MOVE:
            self._told = done
            self._tell(done)


@contextmanager
def watched(
    network: nn.Module, attack: AttackSpec, tell: Callable[[float], None], *, low: nn.Module | None = None
) -> Iterator[None]:
    """While ``attack`` on a batch asks ``network``, tell how far it is.

    Args:
        low: the copy in bf16 on which each restart begins; None: all of it is on ``network``.
    """
    asked = [network] if low is None else [network, low]
    if low is not None:
        # Both begin each restart with a look at the images themselves and end it with one at the last points.
        attack = attack.model_copy(update={"steps": attack.steps + 3})
    progress = AttackProgress(attack, tell)
    hooks = [module.register_forward_hook(progress) for module in asked]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
