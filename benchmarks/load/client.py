"""A driver of load that costs little: bytes that were written before, on connections that stay open.

Each connection sends its next request when the answer to the last one is complete. Only the status and the
length of an answer are read, and the body of the first one is kept.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.I)
END_OF_HEAD = b"\r\n\r\n"
STATUS = slice(9, 12)


@dataclass
class Tally:
    """What one round of load saw.

    Attributes:
        expected: the one right status.
        latencies: seconds from a request's first byte to its answer's last.
        wrong: answers with another status, the first of them in words.
        body: of the first answer.
        seconds: how long the round took.
    """

    expected: int
    latencies: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    body: bytes = b""
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency, in seconds, that ``share`` of the answers kept to."""
        ranked = sorted(self.latencies)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def drive(port: int, requests: Iterator[bytes], expected: int, connections: int, seconds: float) -> Tally:
    """Load on 127.0.0.1:``port`` for so long.

    Args:
        port: of the service.
        requests: whole requests, head and body, at least as many as there is time for.
        expected: the status of a right answer.
        connections: requests under way at any time.
        seconds: no request begins later.
    """
    tally = Tally(expected)
    asyncio.run(_drive(port, requests, tally, connections, seconds))
    return tally


async def _drive(
    port: int, requests: Iterator[bytes], tally: Tally, connections: int, seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    protocols = []
    for _ in range(connections):
        _, protocol = await loop.create_connection(
            lambda: _Connection(requests, tally, began + seconds), "127.0.0.1", port
        )
        protocols.append(protocol)
    await asyncio.gather(*(protocol.over for protocol in protocols))
    tally.seconds = time.perf_counter() - began


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, requests: Iterator[bytes], tally: Tally, deadline: float) -> None:
        self._requests = requests
        self._tally = tally
        self._deadline = deadline
        self._received = b""
        self._whole: int | None = None
        self._began = 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._whole is None:
            self._whole = _length(self._received)
        if self._whole is not None and len(self._received) >= self._whole:
            self._answered(self._received[: self._whole])
            self._received, self._whole = b"", None
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self._tally.wrong.append(f"the connection was closed: {exc}")
            self.over.set_result(None)

    def _send(self) -> None:
        self._began = time.perf_counter()
        if self._began >= self._deadline:
            self.over.set_result(None)
            self._transport.close()
            return
        self._transport.write(next(self._requests))

    def _answered(self, answer: bytes) -> None:
        self._tally.latencies.append(time.perf_counter() - self._began)
        if int(answer[STATUS]) != self._tally.expected:
            self._tally.wrong.append(answer.decode(errors="replace")[:500])
        if not self._tally.body:
            self._tally.body = answer.partition(END_OF_HEAD)[2]


def _length(received: bytes) -> int | None:
    """Bytes of the whole answer once its head is here."""
    head = received.find(END_OF_HEAD)
    if head < 0:
        return None
    found = LENGTH.search(received, 0, head + 2)
    if found is None:
        raise ValueError(f"an answer without a length: {received[:head]!r}")
    return head + len(END_OF_HEAD) + int(found[1])
