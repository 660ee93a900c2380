"""Sending a finished file: ETag, conditional requests and one byte range (RFC 9110, sections 13 and 14).

A file of a job never changes under its ETag, which is its SHA-256. A Range header that is malformed, or
asks for several ranges, is ignored, as the RFC allows: the answer is the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from api.http.problems import Problem

CHUNK_BYTES = 256 * 1024
SANDBOX = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# What a browser shows by itself; everything else is offered for download.
INLINE = ("text/html", "text/markdown", "text/plain", "image/svg+xml", "image/png", "application/json")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Span:
    """Bytes ``start`` up to, not including, ``stop``."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.stop - self.start


def send_file(request: Request, path: Path, *, name: str, media_type: str, etag: str, size: int) -> Response:
    """The answer to a GET of a file, or to a HEAD: the same without the bytes.

    Raises:
        Problem: the file is gone (404), or has no such range (416).
    """
    tag = f'"{etag}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'{_disposition(media_type)}; filename="{name}"',
        **page_headers(),
    }
    if _matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    span = _wanted(request, tag, size)
    part = span or Span(0, size)
    headers["Content-Length"] = str(part.length)
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise Problem("not-found", "The file has been removed.") from error
    status = 206 if span else 200
    if request.method == "HEAD":
        file.close()
        return Response(status_code=status, media_type=media_type, headers=headers)
    return StreamingResponse(_chunks(file, part), status_code=status, media_type=media_type, headers=headers)


def page_headers() -> dict[str, str]:
    """Headers that keep what a run wrote from acting: no scripts, no origin, no guessing of types."""
    return {
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def _disposition(media_type: str) -> str:
    return "inline" if media_type.partition(";")[0] in INLINE else "attachment"


def _matches(header: str | None, tag: str) -> bool:
    """True when an If-None-Match names ``tag`` (weak comparison) or anything at all."""
    if header is None:
        return False
    names = {part.strip().removeprefix("W/") for part in header.split(",")}
    return tag in names or "*" in names


def _wanted(request: Request, tag: str, size: int) -> Span | None:
    """The range asked for; ``None`` for the whole file."""
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if match is None or not any(match.groups()) or request.headers.get("if-range", tag) != tag:
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
        if int(last) == 0:
            start = size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size:
        raise Problem(
            "range-not-satisfiable",
            f"The file has {size} bytes.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return Span(start, stop)


def _chunks(file: BinaryIO, span: Span) -> Iterator[bytes]:
    with file:
        file.seek(span.start)
        left = span.length
        while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
