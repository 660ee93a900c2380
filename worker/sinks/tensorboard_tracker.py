"""TensorBoard: a folder of event files a job, written here without TensorBoard.

The format is small: records of length, masked CRC-32C, bytes, masked CRC-32C, each of which is an ``Event``
in the encoding of protocol buffers (tensorflow/core/util/event.proto).
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

from worker.sinks.values import Batch, Point

VERSION = "brain.Event:2"
MASK = 0xA282EAD8
POLYNOMIAL = 0x82F63B78
"""Castagnoli's, its bits reversed."""


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        rest = byte
        for _ in range(8):
            rest = (rest >> 1) ^ (POLYNOMIAL if rest & 1 else 0)
        entries.append(rest)
    return tuple(entries)


CRC_TABLE = _table()


class TensorBoardTracker:
    """Appends to one event file a job and process. What is given twice stands there twice, at one step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # TensorBoard reads the files of a folder in the order of their names.
        self._file = f"events.out.tfevents.{time.time_ns() // 1_000_000}.{os.getpid()}.cartl"

    def take(self, batch: Batch) -> str | None:
        """Write the points; TensorBoard shows the folders ``JOB/SERIES`` as runs."""
        by_series: dict[str, list[Point]] = {}
        for point in batch.points:
            by_series.setdefault(point.series, []).append(point)
        for series, points in by_series.items():
            self._append(self._folder / batch.job_id / series, points)
        return None

    def close(self) -> None:
        """Nothing is held."""

    def _append(self, folder: Path, points: list[Point]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self._file
        head = b"" if path.exists() else record(version_event(time.time()))
        with path.open("ab") as file:
            file.write(head + b"".join(record(scalar_event(point)) for point in points))


def record(data: bytes) -> bytes:
    """``data`` as one record of an event file."""
    length = struct.pack("<Q", len(data))
    return length + _masked_crc(length) + data + _masked_crc(data)


def version_event(at: float) -> bytes:
    """The event that a file begins with; ``at``: seconds since 1970."""
    return _double(1, at) + _bytes(3, VERSION.encode())


def scalar_event(point: Point) -> bytes:
    """An event with one number under its name within the series."""
    value = _bytes(1, point.name.encode()) + _key(2, 5) + struct.pack("<f", point.value)
    step = _key(2, 0) + _varint(point.step or 0)
    return _double(1, point.at.timestamp()) + step + _bytes(5, _bytes(1, value))


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _double(field: int, number: float) -> bytes:
    return _key(field, 1) + struct.pack("<d", number)


def _bytes(field: int, data: bytes) -> bytes:
    return _key(field, 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _masked_crc(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF)
