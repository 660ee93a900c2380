"""Sending a finished file, from a directory or a bucket, or to where it is in a bucket.

A file of a job never changes under its ETag, which is its SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from api.http.problems import Problem
from api.http.stored_files import FileInBucket, StoredFile
from cartl_core.storage.s3_store import S3Store
from jobs.files.kept_file import KeptFile

SANDBOX = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
SIGNED_SECONDS = 300.0
"""An address of the object store opens so long; a download that has begun goes on."""
# What a browser shows by itself; everything else is offered for download.
INLINE = ("text/html", "text/markdown", "text/plain", "image/svg+xml", "image/png", "application/json")


def send_file(
    request: Request,
    file: KeptFile,
    *,
    name: str,
    media_type: str,
    etag: str,
    may_go_on: Callable[[], bool] = lambda: True,
) -> Response:
    """The answer to a GET of a file, or to a HEAD: the same without the bytes.

    Args:
        request: what was asked.
        file: in its store.
        name: what it is called where it is saved.
        media_type: of the file.
        etag: its SHA-256.
        may_go_on: asked every other second of a long download, in a thread; when it says no, the
            connection ends in the midst of the file.

    Raises:
        Problem: the file is gone (404). One that has no such range (416) comes as the answer is sent.
    """
    tag = f'"{etag}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", **page_headers()}
    if _matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    try:
        answer = _answer_of(file)
    except FileNotFoundError as error:
        raise Problem("not-found", "The file has been removed.") from error
    return answer(
        headers=headers,
        media_type=media_type,
        filename=name,
        content_disposition_type=_disposition(media_type),
        may_go_on=may_go_on,
    )


def redirect(request: Request, file: KeptFile, media_type: str) -> Response | None:
    """To a signed address of the object store; None where the file is in none, or a browser would show it.

    Pages are sent from here, in their sandbox.

    Raises:
        Problem: the file is gone (404).
    """
    if not isinstance(file.store, S3Store) or request.method != "GET" or _disposition(media_type) == "inline":
        return None
    try:
        address = file.store.sign(file.key, SIGNED_SECONDS)
    except FileNotFoundError as error:
        raise Problem("not-found", "The file has been removed.") from error
    return RedirectResponse(address, 307, {"Cache-Control": "private, no-store", **page_headers()})


def _answer_of(file: KeptFile) -> Callable[..., StoredFile]:
    """How a file of its store is answered. Raises ``FileNotFoundError``."""
    if isinstance(file.store, S3Store):
        return partial(FileInBucket, file.store, file.store.entry(file.key))
    path = file.store.local(file.key)
    return partial(StoredFile, path, stat_result=path.stat())


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
