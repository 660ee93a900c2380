"""The file of a shared array: one page that begins with a line of JSON, then the numbers.

The line has the format, the type, the shape and the BLAKE2b of the numbers, so that a file proves itself.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import BinaryIO

from cartl_core.strict_json import SMALL, JsonRefused, loads

FORMAT = "cartl-array-1"
HEAD_BYTES = 4096
"""Before the numbers; a page, so that they begin at one."""
LOOKED_AT = 2**24
"""Bytes that are read between two looks at whether to stop."""


@dataclass(frozen=True)
class ArrayFormat:
    """What an array holds: ``dtype`` is the name of a type of ``itemsize`` bytes."""

    shape: tuple[int, ...]
    dtype: str
    itemsize: int

    @property
    def size(self) -> int:
        """Bytes of the numbers."""
        return prod(self.shape) * self.itemsize

    @property
    def described(self) -> dict[str, object]:
        """As the first line has it."""
        return {"dtype": self.dtype, "shape": list(self.shape)}


def mapped_file(file: BinaryIO) -> mmap.mmap | None:
    """A copy on write, so that no mistake of a run reaches the file; None of an empty one."""
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except ValueError:
        return None


def write_head(mapped: mmap.mmap, form: ArrayFormat) -> None:
    """Write the first line, once the numbers are there."""
    head = {"format": FORMAT, **form.described, "blake2b": _content(mapped, lambda: None)}
    mapped[:HEAD_BYTES] = json.dumps(head).encode().ljust(HEAD_BYTES)


def damage(mapped: mmap.mmap, form: ArrayFormat, check: Callable[[], None]) -> str | None:
    """What is wrong with a file; None: it is what was written.

    Args:
        check: called while the numbers are read; it raises to break off.
    """
    try:
        head = loads(mapped[:HEAD_BYTES].rstrip(), SMALL)
    except JsonRefused:
        return "the first line is no JSON"
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        return f"not of format {FORMAT}"
    if {name: head.get(name) for name in ("dtype", "shape")} != form.described:
        return "they are of another type or shape"
    if len(mapped) != HEAD_BYTES + form.size:
        return f"{len(mapped)} bytes, {HEAD_BYTES + form.size} were written"
    return None if head.get("blake2b") == _content(mapped, check) else "the contents have changed"


def _content(mapped: mmap.mmap, check: Callable[[], None]) -> str:
    """The BLAKE2b of the numbers."""
    digest = hashlib.blake2b(digest_size=32)
    with memoryview(mapped) as view:
        for first in range(HEAD_BYTES, len(mapped), LOOKED_AT):
            check()
            with view[first : first + LOOKED_AT] as part:
                digest.update(part)
    return digest.hexdigest()
