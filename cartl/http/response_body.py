"""Bodies of answers: read within bounds, or watched while they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx

from cartl.http.answers import not_the_service
from cartl_core.strict_json import ANSWER


class Body:
    """A body as it comes, within bounds: what answers may never end, or unpack to very much."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            ServiceError: it is more than any answer has.
        """
        self._size += len(piece)
        if self._size > ANSWER.size:
            raise not_the_service(f"it answered more than {ANSWER.size} bytes")
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """All that came."""
        return b"".join(self._pieces)


def whole_body(response: httpx.Response) -> bytes:
    """All of it, within bounds."""
    body = Body()
    for piece in response.iter_bytes():
        body.write(piece)
    return body.whole()


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
