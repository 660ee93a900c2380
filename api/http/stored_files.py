"""The answers that send files: Starlette's ``FileResponse``, with what it leaves out.

That is a problem where a range lies beyond the file; the whole file where a Range header means nothing, as
RFC 9110 (section 14.2) demands of an unknown unit; and files that lie in no directory.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from api.http.problems import Problem
from cartl_core.storage.bucket import PART_BYTES
from cartl_core.storage.s3_store import S3Store
from cartl_core.storage.store import Entry

RIGHTS_SECONDS = 2.0

log = logging.getLogger("cartl.api")


class StoredFile(FileResponse):
    """A file, or the ranges of it that are asked for."""

    chunk_size = 256 * 1024

    def __init__(self, path: Path, *, may_go_on: Callable[[], bool], **options: Any) -> None:
        super().__init__(path, **options)
        self._may_go_on = may_go_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as Starlette does, but for ranges that it refuses in plain text."""

        asked_at, started = time.monotonic(), False

        async def send_unless_refused(message: Message) -> None:
            status = message.get("status")
            if status == 400:
                raise _MeaninglessRange
            if status == 416:
                size = self.headers["content-length"]
                raise Problem(
                    "range-not-satisfiable",
                    f"The file has {size} bytes.",
                    headers={"Content-Range": f"bytes */{size}"},
                )
            nonlocal asked_at, started
            started = True
            if time.monotonic() - asked_at >= RIGHTS_SECONDS:
                if not await run_in_threadpool(self._may_go_on):
                    raise _AccessEnded
                asked_at = time.monotonic()
            await send(message)

        try:
            await super().__call__(scope, receive, send_unless_refused)
        except _MeaninglessRange:
            headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
            await super().__call__({**scope, "headers": headers}, receive, send)
        except _AccessEnded:
            return  # the server ends the connection of an answer that is not complete
        except OSError as error:
            if not started:
                raise
            log.error("%s: the answer broke off: %s", scope["path"], error.strerror)


class _AccessEnded(Exception):
    """The file may be seen no more."""


class _MeaninglessRange(Exception):
    """A Range header that is malformed, or in another unit than bytes."""


class FileInBucket(StoredFile):
    """A file that is read from its bucket as it is sent."""

    def __init__(self, store: S3Store, entry: Entry, **options: Any) -> None:
        times = (entry.modified,) * 3
        found = os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, entry.size, *times))
        super().__init__(Path(entry.key), stat_result=found, **options)
        self._store, self._entry = store, entry

    @asynccontextmanager
    async def _open_file(self) -> AsyncIterator[Any]:
        """What ``FileResponse`` reads its bytes from."""
        yield _Reading(self._store, self._entry)


class _Reading:
    """A file of a bucket as ``FileResponse`` reads it: all of it, proven as it comes, or from a place on.

    From a place on, each request asks for twice as much as the one before, as far as memory is bounded: a
    range may be short.
    """

    def __init__(self, store: S3Store, entry: Entry) -> None:
        self._store, self._entry = store, entry
        self._chunks: Iterator[bytes] | None = None
        self._held = b""

    async def seek(self, start: int) -> None:
        """Read from here on."""
        self._held, self._chunks = b"", self._growing(start)

    async def read(self, most: int) -> bytes:
        """The next bytes; fewer than ``most`` at the end alone.

        Raises:
            OSError: the file is not as it was kept, or the object store is away.
        """
        return await run_in_threadpool(self._read, most)

    def _read(self, most: int) -> bytes:
        if self._chunks is None:
            self._chunks = self._store.stream(self._entry.key)
        while len(self._held) < most and (chunk := next(self._chunks, b"")):
            self._held += chunk
        given, self._held = self._held[:most], self._held[most:]
        return given

    def _growing(self, start: int) -> Iterator[bytes]:
        length = StoredFile.chunk_size
        while start < self._entry.size:
            yield b"".join(self._store.stream(self._entry.key, start, start + length))
            start, length = start + length, min(2 * length, PART_BYTES)
