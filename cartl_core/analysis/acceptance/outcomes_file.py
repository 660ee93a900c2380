"""Outcomes that a run wrote, read back without torch, within bounds: the file is hostile until it was read.

``cartl_core.run.publish.write_outcomes`` writes it: safetensors with one row an image.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cartl_core.catalog.safetensors_header import HeaderInvalid, StoredTensor, read_header

TYPES = {"BOOL": 1, "U8": 1, "I32": 4, "I64": 8, "F32": 4, "F64": 8}
"""Bytes of a number of each type that outcomes may have; those of ``_CODES`` are read."""
_CODES = {"I64": "q", "F64": "d"}
MOST_ROWS = 10_000_000
"""As many test images as a specification may ask for."""
INDEX, LABEL, CLEAN = "index", "label", "clean"
ROBUST, HELD = "robust.", "checks.held."
CURVE_INDEX, CURVE_RADIUS, CHECKS_INDEX = "curve.index", "curve.radius", "checks.index"


def outcomes_name(subject: str) -> str:
    """What the file of a network is called."""
    return f"outcomes-{subject}.safetensors"


class OutcomesInvalid(ValueError):
    """The file holds no outcomes, or none that fit together."""


@dataclass(frozen=True)
class StoredOutcomes:
    """One network on its n test images.

    Attributes:
        index: positions of the images in the data set.
        labels: their true classes.
        clean: which are right without an attack.
        robust: which each attack left correct, by its label.
        radii: by position, the smallest radius on the curve that broke an image; None without a curve.
        held: by the label of an attack of the checks, which of ``checked`` it left correct.
        checked: positions of the images that the checks looked at.
    """

    index: tuple[int, ...]
    labels: tuple[int, ...]
    clean: tuple[bool, ...]
    robust: Mapping[str, tuple[bool, ...]]
    radii: Mapping[int, float] | None
    held: Mapping[str, tuple[bool, ...]]
    checked: tuple[int, ...]


def read_outcomes(path: Path) -> StoredOutcomes:
    """The outcomes in a file.

    Raises:
        OutcomesInvalid: saying what is wrong with it.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            header = read_header(file, path.stat().st_size, TYPES)
        except HeaderInvalid as error:
            raise OutcomesInvalid(f"{path.name}: {error}") from error
        reader = _Reader(path.name, file, file.tell(), {tensor.name: tensor for tensor in header.tensors})
        return reader.outcomes()


class _Reader:
    """Reads the tensors that are needed, each checked as it comes."""

    def __init__(self, name: str, file: BinaryIO, begins: int, tensors: Mapping[str, StoredTensor]) -> None:
        self._name, self._file, self._begins, self._tensors = name, file, begins, tensors

    def outcomes(self) -> StoredOutcomes:
        index = self._whole(INDEX)
        n = len(index)
        if len(set(index)) != n:
            raise self._fault(INDEX, "an image is there twice")
        checked = self._within(CHECKS_INDEX, set(index)) if CHECKS_INDEX in self._tensors else ()
        return StoredOutcomes(
            index=index,
            labels=self._whole(LABEL, n),
            clean=self._answers(CLEAN, n),
            robust={name: self._answers(ROBUST + name, n) for name in self._below(ROBUST)},
            radii=self._curve(set(index)) if CURVE_INDEX in self._tensors else None,
            held={name: self._answers(HELD + name, len(checked)) for name in self._below(HELD)},
            checked=checked,
        )

    def _below(self, prefix: str) -> Iterator[str]:
        return (name.removeprefix(prefix) for name in self._tensors if name.startswith(prefix))

    def _curve(self, known: set[int]) -> dict[int, float]:
        positions = self._within(CURVE_INDEX, known)
        radii = [float(radius) for radius in self._numbers(CURVE_RADIUS, "F64", len(positions))]
        if any(math.isnan(radius) or radius < 0 for radius in radii):
            raise self._fault(CURVE_RADIUS, "a radius is negative or not a number")
        return dict(zip(positions, radii, strict=True))

    def _within(self, name: str, known: set[int]) -> tuple[int, ...]:
        positions = self._whole(name)
        if len(set(positions)) != len(positions) or not known.issuperset(positions):
            raise self._fault(name, f"its images are not those of {INDEX}")
        return positions

    def _whole(self, name: str, rows: int | None = None) -> tuple[int, ...]:
        found = tuple(int(number) for number in self._numbers(name, "I64", rows))
        if any(number < 0 for number in found):
            raise self._fault(name, "a number is negative")
        return found

    def _answers(self, name: str, rows: int) -> tuple[bool, ...]:
        content = self._bytes(name, "BOOL", rows)
        if not {0, 1}.issuperset(content):
            raise self._fault(name, "it holds something else than yes and no")
        return tuple(map(bool, content))

    def _numbers(self, name: str, dtype: str, rows: int | None) -> array[int] | array[float]:
        found = array(_CODES[dtype])
        found.frombytes(self._bytes(name, dtype, rows))
        return found

    def _bytes(self, name: str, dtype: str, rows: int | None) -> bytes:
        tensor = self._tensors.get(name)
        if tensor is None:
            raise self._fault(name, "it is missing")
        if tensor.dtype != dtype or len(tensor.shape) != 1 or tensor.shape[0] > MOST_ROWS:
            raise self._fault(name, f"it is not one row of at most {MOST_ROWS} {dtype}")
        if rows is not None and tensor.shape[0] != rows:
            raise self._fault(name, f"it has {tensor.shape[0]} rows, not {rows}")
        self._file.seek(self._begins + tensor.start)
        return self._file.read(tensor.end - tensor.start)

    def _fault(self, tensor: str, why: str) -> OutcomesInvalid:
        return OutcomesInvalid(f"{self._name}: {tensor!a}: {why}")
