"""Images with the same answers in every shaken copy of a network; whether stored and found numbers agree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from cartl_core.data import Split

ROOM = 5.0
LEAST = 1e-4
"""Numbers may always differ by this share of their size, or this much where they are small."""
JUMP = 0.01
"""An image whose number changes by more than this in a shaken copy stands on an edge."""
WRONG = 3
Rows = dict[str, Tensor]


def some(images: Split, chosen: Iterable[int]) -> Split:
    """The images at these places."""
    return images.at(torch.tensor(list(chosen), dtype=torch.int64))


def steady(first: dict[str, Rows], others: Iterable[dict[str, Rows]], count: int) -> list[int]:
    """Places of images, of ``count``, that have the same answers in all copies."""
    kept = torch.ones(count, dtype=torch.bool)
    for rows in others:
        for label, tensors in first.items():
            for name, tensor in tensors.items():
                kept &= _like(tensor, rows[label][name])
    return kept.nonzero().squeeze(1).tolist()


def _like(one: Tensor, two: Tensor) -> Tensor:
    if not one.is_floating_point():
        same = one == two
    else:
        same = (one == two) | ((one - two).abs() <= JUMP * one.abs().clamp(min=1.0))
    return same.flatten(1).all(1) if same.dim() > 1 else same


def kept(rows: Rows, others: Iterable[Rows]) -> dict[str, Any]:
    """Rows as JSON: flags as a text of 0 and 1, numbers beside how much they moved in the copies."""
    told: dict[str, Any] = {}
    copies = list(others)
    for name, tensor in rows.items():
        if tensor.dtype == torch.bool:
            told[name] = "".join("01"[flag] for flag in tensor.tolist())
        elif not tensor.is_floating_point():
            told[name] = tensor.tolist()
        else:
            moved = max((_apart(tensor, copy[name]) for copy in copies), default=0.0)
            told[name] = {"values": _plain(tensor), "moved": float(f"{moved:.2g}")}
    return told


def _apart(one: Tensor, two: Tensor) -> float:
    """The largest difference where both are finite."""
    apart = (one - two).double().abs()
    return float(apart[apart.isfinite()].max()) if apart.isfinite().any() else 0.0


def _plain(tensor: Tensor) -> list[Any]:
    """Five digits of each number; an infinite one is null."""
    if tensor.dim() > 1:
        return [_plain(row) for row in tensor]
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in tensor.tolist()]


VALUES_CLOSE = 2e-3
"""To what share the numbers of a diagnostic's value hold; the worst of many images, say, is not steady."""


def apart(kept: Any, found: Any, path: str) -> Iterator[str]:
    """Where two values of a diagnostic differ beyond that."""
    if isinstance(kept, dict) and isinstance(found, dict) and kept.keys() == found.keys():
        for name in kept:
            yield from apart(kept[name], found[name], f"{path}.{name}")
    elif isinstance(kept, list) and isinstance(found, list) and len(kept) == len(found):
        for at, (one, two) in enumerate(zip(kept, found, strict=True)):
            yield from apart(one, two, f"{path}[{at}]")
    elif isinstance(kept, float) and isinstance(found, float):
        if abs(kept - found) > VALUES_CLOSE * max(abs(kept), LEAST):
            yield f"{path}: {found}, not {kept}"
    elif kept != found:
        yield f"{path}: {found!r}, not {kept!r}"
