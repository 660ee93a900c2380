"""A finished figure: what the drawing side hands to the faces."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """One figure, one file; ``name`` is its file name, e.g. ``curve.svg``."""

    name: str
    media_type: str
    content: bytes
