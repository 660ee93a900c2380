"""Random numbers of attacks that batching, sharding and resuming cannot change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cartl_core.attacks.norm_balls import BALLS
from cartl_core.nn.rng import generator
from cartl_core.spec.measures.attack import AttackSpec, Norm


def _no_numbers(restart: int, chapter: int, count: int) -> Tensor:
    raise ValueError("the attack draws random numbers, but none were given")


@dataclass(frozen=True)
class AttackRandomness:
    """All chance of an attack on N images; what an attack does not ask for is not drawn."""

    starts: Callable[[int], Tensor]
    """Of the number of a try, 0 onwards: perturbations (N, C, H, W) inside the ball."""
    numbers: Callable[[int, int, int], Tensor] = _no_numbers
    """Of restart, chapter and count: uniform numbers (N, count) in [0, 1)."""


def starts_for(attack: AttackSpec, randomness: AttackRandomness | None) -> Callable[[int], Tensor | None]:
    """The start of each try of ``attack``, by its number; None where it begins at the images themselves.

    Raises:
        ValueError: it starts at random, and ``randomness`` is missing.
    """
    if not attack.random_start:
        return lambda _: None
    if randomness is None:
        raise ValueError(f"attack {attack.label} starts at random: randomness must be given")
    return randomness.starts


def random_starts(
    shape: Sequence[int],
    eps: float,
    *,
    seed: int,
    label: str,
    restart: int,
    indices: Iterable[int] | Tensor,
    norm: Norm = "linf",
) -> Tensor:
    """Perturbations drawn uniformly from the ball of ``norm``, each from its sample's own generator.

    Args:
        shape: of one image, e.g. (3, 32, 32).
        eps: radius in pixel units on [0, 1].
        seed: the job's seed.
        label: the attack's label.
        restart: 0 for the first try.
        indices: (N,) positions of the images in their data set.

    Returns:
        (N, *shape) float32 on the CPU, of norm at most eps.
    """
    positions = indices.tolist() if isinstance(indices, Tensor) else list(indices)
    starts = torch.empty(len(positions), *shape)
    for row, position in zip(starts, positions, strict=True):
        BALLS[norm].draw(row, eps, generator(seed, "start", label, restart, position))
    return starts


def random_numbers(
    count: int,
    *,
    seed: int,
    label: str,
    restart: int,
    chapter: int,
    indices: Iterable[int] | Tensor,
) -> Tensor:
    """Uniform draws for a random search, each row from its sample's own generator.

    Args:
        count: numbers for each sample.
        seed: the job's seed.
        label: the attack's label.
        restart: 0 for the first try.
        chapter: draws come in portions, so that they need not all be kept at once.
        indices: (N,) positions of the images in their data set.

    Returns:
        (N, count) float32 on the CPU, in [0, 1).
    """
    positions = indices.tolist() if isinstance(indices, Tensor) else list(indices)
    numbers = torch.empty(len(positions), count)
    for row, position in zip(numbers, positions, strict=True):
        row.uniform_(generator=generator(seed, "search", label, restart, chapter, position))
    return numbers
