"""Stratified samples: which images to keep when not all are used."""

from __future__ import annotations

import torch
from torch import Tensor


def stratified(labels: Tensor, limit: int | None, generator: torch.Generator) -> Tensor:
    """Positions of ``limit`` of the labels, each class within one of its proportional share.

    Whole shares first; what is left over goes to the largest remainders, equal ones by lot.

    Args:
        labels: (N,) integers.
        limit: how many to keep; None or N and more keep all.
        generator: a CPU generator.

    Returns:
        (min(limit, N),) int64, ascending, without repetition.
    """
    if limit is None or limit >= len(labels):
        return torch.arange(len(labels))
    _, inverse, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    chosen = []
    for position, seats in enumerate(_seats(counts, limit, generator).tolist()):
        members = (inverse == position).nonzero().squeeze(1)
        drawn = torch.randperm(len(members), generator=generator)[:seats]
        chosen.append(members[drawn])
    return torch.cat(chosen).sort().values


def _seats(counts: Tensor, limit: int, generator: torch.Generator) -> Tensor:
    """How many of each class; sums to ``limit``. Integers only, so that no rounding is at play."""
    total = int(counts.sum())
    seats = counts * limit // total
    remainders = counts * limit % total
    lots = torch.randperm(len(counts), generator=generator)
    by_remainder = lots[remainders[lots].sort(descending=True, stable=True).indices]
    seats[by_remainder[: limit - int(seats.sum())]] += 1
    return seats
