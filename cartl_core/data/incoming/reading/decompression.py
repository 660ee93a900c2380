"""Compressed files read forward: bytes are unpacked as they are asked for, and counted."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from cartl_core.data.incoming.reading.members import CHUNK, Meter
from cartl_core.data.incoming.rejection import Rejected

LZMA_MEMORY = 128 * 2**20
"""Bytes that unpacking xz may take; level 9 takes 65 MiB, a header may ask for 4 GiB."""
MOST_EMPTY_STREAMS = 1000
_DAMAGED = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


class Decompressor(Protocol):
    """As ``bz2.BZ2Decompressor`` and ``lzma.LZMADecompressor``."""

    @property
    def eof(self) -> bool:
        """The stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Nothing more comes without more input."""

    @property
    def unused_data(self) -> bytes:
        """What follows the stream."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most ``max_length`` bytes."""


class _Gzip:
    """zlib's decompressor with the face of the two others."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max_length)


DECOMPRESSORS: dict[str, Callable[[], Decompressor]] = {
    "gzip": _Gzip,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=LZMA_MEMORY),
}


class Unpacked:
    """The bytes of a file, unpacked where ``compression`` says how, read once from front to back."""

    def __init__(self, file: BinaryIO, compression: str | None, meter: Meter) -> None:
        self._file, self._meter, self._compression = file, meter, compression
        self._stream = DECOMPRESSORS[compression]() if compression else None
        self._rest = b""
        self._empty_streams, self._gave_nothing = 0, True

    def read(self, size: int, /) -> bytes:
        """Exactly ``size`` bytes, or fewer at the end.

        Raises:
            Rejected: the file is damaged or unpacks to more than the limit.
        """
        chunks, left = [], size
        while left and (chunk := self._some(min(left, CHUNK))):
            self._meter.count_unpacked(len(chunk))
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks)

    def skip(self, size: int) -> None:
        """Pass over ``size`` bytes.

        Raises:
            Rejected: as ``read``, or the file ends before.
        """
        while size:
            chunk = self.read(min(size, CHUNK))
            if not chunk:
                raise Rejected("unreadable", "the archive is cut off")
            size -= len(chunk)

    def _some(self, most: int) -> bytes:
        """From 1 to ``most`` bytes; none at the end."""
        if self._stream is None:
            return self._file.read(most)
        while not self._stream.eof or self._next_stream():
            hungry = self._stream.needs_input
            packed = self._input() if hungry else b""
            found = self._unpack(packed, most)
            if found:
                self._gave_nothing = False
                return found
            if hungry and not packed and not self._stream.eof:
                raise Rejected("unreadable", "the archive is cut off")
        return b""

    def _input(self) -> bytes:
        """Packed bytes: what was left of the stream before, then the file."""
        rest, self._rest = self._rest, b""
        return rest or self._file.read(CHUNK // 16)

    def _unpack(self, packed: bytes, most: int) -> bytes:
        assert self._stream is not None
        try:
            return self._stream.decompress(packed, most)
        except _DAMAGED as error:
            raise Rejected("unreadable", f"the {self._compression} stream is damaged: {error}") from error

    def _next_stream(self) -> bool:
        """Several streams may follow one another; zeros after the last are padding."""
        assert self._stream is not None and self._compression is not None
        self._rest = self._stream.unused_data or self._input()
        if not self._rest.strip(b"\0"):
            return False
        self._empty_streams += self._gave_nothing
        if self._empty_streams > MOST_EMPTY_STREAMS:
            raise Rejected("archive_unsafe", "the archive is made of empty streams")
        self._stream, self._gave_nothing = DECOMPRESSORS[self._compression](), True
        return True
