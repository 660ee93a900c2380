"""Bodies of answers: read within bounds, or watched while they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx

from cartl.answers import not_the_service
from cartl_core.strict_json import ANSWER


def whole_body(response: httpx.Response) -> bytes:
    """All of it, within bounds: what answers may never end, or unpack to very much."""
    pieces: list[bytes] = []
    size = 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > ANSWER.size:
            raise not_the_service(f"it answered more than {ANSWER.size} bytes")
        pieces.append(piece)
    return b"".join(pieces)


class Ticking(httpx.SyncByteStream):
    """A body that calls ``tick`` for each piece that arrives, the comments that keep it alive too."""

    def __init__(self, body: httpx.SyncByteStream, tick: Callable[[], None]) -> None:
        self._body = body
        self._tick = tick

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            self._tick()
            yield piece

    def close(self) -> None:
        """Close the body."""
        self._body.close()
