"""Randomness as an argument: a generator from a seed and a purpose, never a global seed.

Equal parts give an equal stream on every machine, so nothing random has a state to save: a resumed
run makes the generator of (seed, "epoch", 7) again.
"""

from __future__ import annotations

import hashlib

import torch

_SEED_BYTES = 8


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A number from 0 to 2**63 - 1 that is fixed by ``seed`` and ``purpose``.

    Every part counts with its type, its length and its place: ("a", "b") differs from ("ab",), and
    ("1",) from (1,).
    """
    parts = hashlib.sha256()
    for part in (seed, *purpose):
        if isinstance(part, bool) or not isinstance(part, (int, str)):
            raise TypeError(f"a purpose is made of texts and integers, not {part!r}")
        text = f"{'i' if isinstance(part, int) else 's'}{part}".encode()
        parts.update(len(text).to_bytes(8, "big"))
        parts.update(text)
    return int.from_bytes(parts.digest()[:_SEED_BYTES], "big") >> 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A fresh CPU generator for one purpose, e.g. ``generator(spec.seed, "head", digest)``.

    Args:
        seed: the job's seed.
        purpose: what the numbers are for, and of which epoch, step or sample.
    """
    fresh = torch.Generator(device="cpu")
    fresh.manual_seed(derived_seed(seed, *purpose))
    return fresh
