"""A transport that is closed without taking the last answer back.

A socket that is closed while bytes of the peer have not been read is reset, and the peer loses the answer
that it was about to read. So the answer is followed by the end of our side alone; what still comes is
thrown away until the peer ends its side, or until a limit is reached (see ``GuardedProtocol.check``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class LingeringTransport(asyncio.Transport):
    """``inner``, but for ``close`` where ``unfinished()`` says that the peer is still sending."""

    def __init__(self, inner: asyncio.Transport, unfinished: Callable[[], bool]) -> None:
        super().__init__()
        self._inner = inner
        self._unfinished = unfinished
        self.lingering = False

    def close(self) -> None:
        """Close at once, or end our side and go on reading."""
        if self.is_closing():
            return
        if not self._unfinished():
            self._inner.close()
        else:
            self.linger()

    def linger(self) -> None:
        """End our side, and go on reading until the peer ends its own."""
        self.lingering = True
        self._inner.resume_reading()
        self._inner.write_eof()

    def abort(self) -> None:
        """Close at once; what was not sent yet is lost."""
        self._inner.abort()

    def is_closing(self) -> bool:
        """True once nothing more can be answered."""
        return self.lingering or self._inner.is_closing()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """As the inner transport, until our side has ended."""
        if not self.is_closing():
            self._inner.write(data)

    def pause_reading(self) -> None:
        """As the inner transport."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """As the inner transport."""
        self._inner.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the inner transport."""
        return self._inner.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self._inner.get_write_buffer_size()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """As the inner transport."""
        self._inner.set_protocol(protocol)
