"""Figures as values: the colours of the methods, the same in figures and pages, and pictures as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLOURS = ("#0b5cad", "#c2510a", "#2c7a4b", "#8a3ffc", "#a3195b", "#6b5f00", "#3d6b7d", "#7a3b1e", "#444c56")
"""The job's own student first, then its baselines. In figures each also has a marker of its own."""


@dataclass(frozen=True)
class Picture:
    """One figure, one file; ``name`` is its file name, e.g. ``curve.svg``."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, eq=False)
class Pixels:
    """The images of a gallery, in its order: (k, C, H, W) in [0, 1]."""

    clean: NDArray[np.float32]
    adversarial: NDArray[np.float32]
