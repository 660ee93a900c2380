"""The header of a .npy array, read strictly: no evaluation of text, no pickles, no sizes beyond reason."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cartl_core.data.incoming.rejection import Rejected

LONGEST_HEADER = 10_000
"""Bytes; NumPy's own limit."""
MOST_DIMENSIONS = 4
_MAGIC = b"\x93NUMPY"
_LENGTHS = {1: struct.Struct("<H"), 2: struct.Struct("<I"), 3: struct.Struct("<I")}
"""How the length of the header is written, by major version."""
_HEADER = re.compile(
    r"\s*\{\s*'descr':\s*'([<>|=]?[a-zA-Z]\d{0,6})',\s*'fortran_order':\s*(True|False),"
    r"\s*'shape':\s*\(((?:\d{1,18}, ?)*(?:\d{1,18})?)\),?\s*\}\s*"
)


@dataclass(frozen=True)
class NpyHeader:
    """Kind and shape of an array whose bytes follow in C order."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]


def read_header(read: Callable[[int], bytes], name: str) -> NpyHeader:
    """The header of the array ``name``, after which ``read`` gives its bytes.

    Args:
        read: gives exactly so many bytes, or raises ``Rejected``.
        name: for messages.

    Raises:
        Rejected: it is no header of plain numbers or texts in C order.
    """
    begin = read(len(_MAGIC) + 2)
    length = _LENGTHS.get(begin[-2])
    if not begin.startswith(_MAGIC) or length is None:
        raise Rejected("unreadable", f"{name} is no NumPy array")
    (size,) = length.unpack(read(length.size))
    if size > LONGEST_HEADER:
        raise Rejected("unreadable", f"the header of {name} has {size:,} bytes; allowed: {LONGEST_HEADER:,}")
    return _parsed(read(size).decode("latin-1"), name)


def _parsed(text: str, name: str) -> NpyHeader:
    found = _HEADER.fullmatch(text)
    if found is None:
        raise Rejected("unreadable", f"{name} is no plain array: its header is {text.strip()[:100]!r}")
    described, fortran, sizes = found.groups()
    shape = tuple(int(size) for size in sizes.split(",") if size.strip())
    if described.lstrip("<>|=").startswith("O"):
        raise Rejected("unreadable", f"{name} holds pickled objects, which are not opened")
    if len(shape) > MOST_DIMENSIONS:
        raise Rejected("unreadable", f"{name} has {len(shape)} dimensions; allowed: to {MOST_DIMENSIONS}")
    if fortran == "True" and len(shape) > 1:
        raise Rejected("unreadable", f"{name} is in Fortran order; allowed: np.ascontiguousarray of it")
    try:
        return NpyHeader(np.dtype(described), shape)
    except (TypeError, ValueError) as error:
        raise Rejected("unreadable", f"{name} is of the unknown type {described!r}") from error
