"""The header of a safetensors file, read without torch: which tensors there are, and where their bytes lie.

Eight bytes hold the length of a JSON object; its keys are the tensors' names, each with type, shape and the
span of its bytes, and ``__metadata__``, texts by name. What is accepted here the ``safetensors`` library
accepts as well. The reverse holds within these bounds: types of ``BYTES_OF``, a header of at most
``LARGEST_HEADER`` bytes, ``MOST_TENSORS`` tensors of ``MOST_SIZES`` sizes, each key once and no further ones,
and an object that begins at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from cartl_core.strict_json import JsonRefused, Limits, loads, outside_texts, shown

METADATA = "__metadata__"
LENGTH_BYTES = 8
LARGEST_HEADER = 1024 * 1024
MOST_TENSORS = 10_000
MOST_SIZES = 8
BYTES_OF = {"F32": 4, "I64": 8}
"""Weights and statistics are single precision; batch norm counts its batches in 64 bits."""
PUBLISHED_BYTES_OF = {**BYTES_OF, "F64": 8, "F16": 2, "BF16": 2}
"""What others write as well; it becomes single precision when it is taken in."""

ADDRESSABLE = 2**64

_LIMITS = Limits(size=LARGEST_HEADER, values=(MOST_SIZES + 8) * MOST_TENSORS, items=MOST_TENSORS + 1, depth=4)
_FIELDS = {"dtype", "shape", "data_offsets"}


class HeaderInvalid(ValueError):
    """The file is no safetensors file, or none that is read here."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of the file; its bytes are those from ``start`` up to ``end`` after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def numbers(self) -> int:
        """How many numbers it has."""
        return (self.end - self.start) // PUBLISHED_BYTES_OF[self.dtype]


@dataclass(frozen=True)
class Header:
    """``tensors`` in the order of their bytes; ``metadata`` by name."""

    tensors: tuple[StoredTensor, ...]
    metadata: Mapping[str, str]


def read_header(file: BinaryIO, size: int, types: Mapping[str, int] = BYTES_OF) -> Header:
    """The header of ``file``, a file of ``size`` bytes that is open at its beginning.

    Args:
        types: bytes of a number of each type that is read.

    Raises:
        HeaderInvalid: saying what is wrong, and with which tensor.
        OSError: it cannot be read.
    """
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    room = size - LENGTH_BYTES - length
    if size < LENGTH_BYTES or length == 0 or room < 0:
        raise HeaderInvalid("it is not a safetensors file: the length of its header is wrong")
    if length > LARGEST_HEADER:
        raise HeaderInvalid(f"the length of its header is {length} bytes; at most {LARGEST_HEADER} are read")
    text = file.read(length)
    told = _parsed(text)
    metadata = _metadata(told.pop(METADATA, {}))
    tensors = sorted(_tensors(told, types), key=lambda tensor: (tensor.start, tensor.end))
    _check_spans(tensors, room)
    # Python reads -0 as 0, the library as no size.
    if "-" in outside_texts(text.decode()):
        raise HeaderInvalid("its header holds a number with a sign")
    return Header(tuple(tensors), metadata)


def _parsed(text: bytes) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise HeaderInvalid("it is not a safetensors file: its header is no JSON object")
    try:
        header = loads(text, _LIMITS)
    except JsonRefused as error:
        raise HeaderInvalid(f"it is not a safetensors file: its header is no JSON ({error})") from error
    assert isinstance(header, dict)
    return header


def _metadata(told: object) -> dict[str, str]:
    if not isinstance(told, dict) or not all(isinstance(text, str) for text in told.values()):
        raise HeaderInvalid(f"{METADATA} of its header must hold texts by name")
    return told


def _tensors(header: dict[str, Any], types: Mapping[str, int]) -> Iterator[StoredTensor]:
    for name, told in header.items():
        tensor = _tensor(name, told, types)
        if tensor is None:
            raise HeaderInvalid(
                f"tensor {shown(name)!r} is not described as it should be: dtype {' or '.join(types)}, a "
                f"shape of at most {MOST_SIZES} sizes, and data_offsets that span as many bytes"
            )
        yield tensor


def _tensor(name: str, told: object, types: Mapping[str, int]) -> StoredTensor | None:
    """None where the description is wrong; a product is given up once no machine could address it."""
    if not isinstance(told, dict) or told.keys() != _FIELDS:
        return None
    dtype, shape, span = told["dtype"], told["shape"], told["data_offsets"]
    if not isinstance(dtype, str) or dtype not in types or not _sizes(shape, MOST_SIZES):
        return None
    if not _sizes(span, 2) or len(span) != 2 or not 0 <= span[0] <= span[1]:
        return None
    numbers = 1
    for size in shape:
        numbers *= size
        if max(size, numbers) >= ADDRESSABLE:
            return None
    start, end = span
    return (
        StoredTensor(name, dtype, tuple(shape), start, end) if end - start == numbers * types[dtype] else None
    )


def _sizes(told: object, most: int) -> bool:
    return isinstance(told, list) and len(told) <= most and all(type(size) is int for size in told)


def _check_spans(tensors: list[StoredTensor], room: int) -> None:
    """Together they fill the file exactly."""
    reached = 0
    for tensor in tensors:
        if tensor.start != reached:
            raise HeaderInvalid(f"the bytes of tensor {shown(tensor.name)!r} overlap others or leave a gap")
        reached = tensor.end
    if reached != room:
        raise HeaderInvalid(f"it has {room} bytes of numbers where its header names {reached}")
