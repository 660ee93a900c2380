"""Labels of arrays: whole numbers or texts, and the classes that they name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cartl_core.data.incoming.places import check_class_name
from cartl_core.data.incoming.reading.members import shown
from cartl_core.data.incoming.reading.npy_header import NpyHeader
from cartl_core.data.incoming.rejection import Rejected
from cartl_core.spec.resources.dataset import DatasetLimits

Read = Callable[[int], bytes]
Label = int | str
Labels = Sequence[Label]
LONGEST_TEXT = 256
"""Characters of one entry of an array of texts."""
_ROWS = 4096
_NUMBERS, _TEXTS = "iu", "US"
"""numpy's letters for kinds of numbers and texts."""


def read_labels(read: Read, header: NpyHeader, name: str, limits: DatasetLimits) -> Labels:
    """The labels of one split, (N,) or (N, 1).

    Raises:
        Rejected: they are neither whole numbers nor texts, or more than the limit.
    """
    rows = header.shape[0] if header.shape else 0
    if header.shape not in ((rows,), (rows, 1)):
        raise Rejected("unreadable", f"{name} has the shape {header.shape}; allowed: (N,)")
    if rows > limits.entries:
        raise Rejected("archive_too_large", f"{name} has {rows:,} labels; allowed: {limits.entries:,}")
    if header.dtype.kind in _TEXTS:
        return read_texts(read, header, name, limits)
    if header.dtype.kind not in _NUMBERS:
        raise Rejected("unreadable", f"{name} is {header.dtype}; allowed: whole numbers or texts")
    numbers: list[int] = []
    for size in _parts(rows):
        numbers += np.frombuffer(read(size * header.dtype.itemsize), dtype=header.dtype).tolist()
    return numbers


def read_texts(read: Read, header: NpyHeader, name: str, limits: DatasetLimits) -> list[str]:
    """An array of texts. Equal ones are kept once.

    Raises:
        Rejected: it is none, or larger than the limits.
    """
    if header.dtype.kind not in _TEXTS or not header.shape:
        raise Rejected("unreadable", f"{name} is {header.dtype}; allowed: an array of texts")
    if header.dtype.itemsize > 4 * LONGEST_TEXT or header.shape[0] > limits.entries:
        raise Rejected("archive_too_large", f"{name} has texts beyond {LONGEST_TEXT} characters, or too many")
    if header.dtype.itemsize == 0:
        raise Rejected("unreadable", f"{name} holds empty texts")
    known: dict[str, str] = {}
    texts: list[str] = []
    for size in _parts(header.shape[0]):
        found = _decoded(read(size * header.dtype.itemsize), header, name)
        texts += [known.setdefault(text, text) for text in found]
    return texts


def _parts(rows: int) -> list[int]:
    """Sizes of the pieces in which so many rows are read."""
    return [min(_ROWS, rows - start) for start in range(0, rows, _ROWS)]


def _decoded(content: bytes, header: NpyHeader, name: str) -> list[str]:
    try:
        if header.dtype.kind == "U":
            _check_characters(np.frombuffer(content, dtype=f"{header.dtype.byteorder}u4"))
        values = np.frombuffer(content, dtype=header.dtype).tolist()
        texts = [value.decode("utf-8") if isinstance(value, bytes) else value for value in values]
        "".join(texts).encode()
    except ValueError as error:
        raise Rejected("unreadable", f"{name} is no text that can be read") from error
    return texts


def _check_characters(codes: NDArray[np.uint32]) -> None:
    """NumPy makes texts of any numbers, and fails in the middle of one."""
    if codes.max(initial=0) > sys.maxunicode:
        raise ValueError("it holds numbers that are no characters")


def class_order(
    splits: Sequence[Labels], names: Sequence[str] | None
) -> tuple[tuple[str, ...], Mapping[Label, int]]:
    """Class names in order, and the position of the class that each label stands for.

    Args:
        splits: labels of each split.
        names: of the classes as the file gives them; None: sorted labels are the classes.

    Raises:
        Rejected: labels of two kinds, or one that is no class; a name is not visible text.
    """
    labels: set[Label] = set().union(*splits)
    if len({type(label) for label in labels}) > 1:
        raise Rejected("unreadable", "some labels are whole numbers and others are texts")
    if names is None:
        order: list[Label] = sorted(
            labels, key=lambda label: (label, "") if isinstance(label, int) else (0, label)
        )
        position = {label: place for place, label in enumerate(order)}
    else:
        if len(set(names)) < len(names):
            raise Rejected("unreadable", "class_names holds a name twice")
        numbered: dict[Label, int] = {place: place for place in range(len(names))}
        named: dict[Label, int] = {name: place for place, name in enumerate(names)}
        position = named if any(isinstance(label, str) for label in labels) else numbered
        order = list(names)
    if unknown := labels - position.keys():
        raise Rejected(
            "unreadable", f"the label {shown(str(min(unknown, key=str)))} is none of {len(order):,} classes"
        )
    classes = tuple(map(str, order))
    for name in classes:
        check_class_name(name)
    return classes, position
