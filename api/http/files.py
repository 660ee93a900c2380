"""Sending a finished file: Starlette's ``FileResponse``, with what it leaves out.

That is ``If-None-Match``; a problem where a range lies beyond the file; and the whole file where a Range
header means nothing, as RFC 9110 (section 14.2) demands of an unknown unit. A file of a job never changes
under its ETag, which is its SHA-256.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from api.http.problems import Problem

SANDBOX = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
RIGHTS_SECONDS = 2.0
# What a browser shows by itself; everything else is offered for download.
INLINE = ("text/html", "text/markdown", "text/plain", "image/svg+xml", "image/png", "application/json")


def send_file(
    request: Request,
    path: Path,
    *,
    name: str,
    media_type: str,
    etag: str,
    may_go_on: Callable[[], bool] = lambda: True,
) -> Response:
    """The answer to a GET of a file, or to a HEAD: the same without the bytes.

    Args:
        request: what was asked.
        path: the file.
        name: what it is called where it is saved.
        media_type: of the file.
        etag: its SHA-256.
        may_go_on: asked every ``RIGHTS_SECONDS`` of a long download, in a thread; when it says no, the
            connection ends in the midst of the file.

    Raises:
        Problem: the file is gone (404). One that has no such range (416) comes as the answer is sent.
    """
    tag = f'"{etag}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", **page_headers()}
    if _matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise Problem("not-found", "The file has been removed.") from error
    return StoredFile(
        path,
        headers=headers,
        media_type=media_type,
        filename=name,
        stat_result=found,
        content_disposition_type=_disposition(media_type),
        may_go_on=may_go_on,
    )


def page_headers() -> dict[str, str]:
    """Headers that keep what a run wrote from acting: no scripts, no origin, no guessing of types."""
    return {
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


class StoredFile(FileResponse):
    """A file, or the ranges of it that are asked for."""

    chunk_size = 256 * 1024

    def __init__(self, path: Path, *, may_go_on: Callable[[], bool], **options: Any) -> None:
        super().__init__(path, **options)
        self._may_go_on = may_go_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as Starlette does, but for ranges that it refuses in plain text."""

        asked_at = time.monotonic()

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
            nonlocal asked_at
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


class _AccessEnded(Exception):
    """The file may be seen no more."""


class _MeaninglessRange(Exception):
    """A Range header that is malformed, or in another unit than bytes."""


def _disposition(media_type: str) -> str:
    return "inline" if media_type.partition(";")[0] in INLINE else "attachment"


def _matches(header: str | None, tag: str) -> bool:
    """True when an If-None-Match names ``tag`` (weak comparison) or anything at all."""
    if header is None:
        return False
    names = {part.strip().removeprefix("W/") for part in header.split(",")}
    return tag in names or "*" in names
