"""The objects of an S3-compatible bucket, through obstore: SHA-256 beside each, errors in words.

Credentials, region and endpoint come from the usual ``AWS_*`` variables, which obstore reads. Its errors have
what the server answered, which may name a key, so none of them leaves this module.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store as Objects

from cartl_core.storage.bucket_url import parse_bucket_url

if TYPE_CHECKING:
    from obstore import GetOptions

SHA256 = "sha256"
"""The object's metadata that has the digest of its bytes."""
DOWNLOAD = {"Content-Type": "binary/octet-stream", "Content-Disposition": "attachment"}
"""Nobody's browser shows an object that a signed address leads to: it is saved."""
PART_BYTES = 8 * 1024 * 1024
"""Of one request for bytes, and of one part of a large upload."""
PARTS_AT_ONCE = 4
STATUS = re.compile(r"status code: (\d{3})")
REFUSED = "the object store refuses these credentials; see the variables AWS_*"
OF_STATUS: dict[str | None, tuple[int, str]] = {
    None: (errno.EIO, "the object store cannot be reached"),
    "401": (errno.EACCES, REFUSED),
    "403": (errno.EACCES, REFUSED),
    "404": (errno.ENOENT, "there is no such bucket"),
}
"""Of lists, whose refusals obstore tells by their status alone."""
_USED_BY: dict[str, int] = {}
"""The process that first opened a bucket."""


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        connect_seconds: for a connection.
        request_seconds: for the answer to one request.
        retries: of a request that failed.
        retry_seconds: in which they may begin.
    """

    connect_seconds: float = 5.0
    request_seconds: float = 60.0
    retries: int = 5
    retry_seconds: float = 20.0


PATIENT = Patience()


@dataclass(frozen=True)
class Object:
    """One version of an object.

    Attributes:
        path: below the bucket's prefix.
        sha256: of its bytes, as they were when it was put; empty in lists and where others have put it.
        etag: another one for other bytes; empty for an object that never changes.
        modified: seconds since 1970, by the server's clock.
    """

    path: str
    size: int
    sha256: str
    etag: str
    modified: float


class Bucket:
    """Objects below a prefix of a bucket.

    Every method raises ``StoreUnavailable`` where the server cannot be reached, or refuses.

    Args:
        url: ``s3://bucket/prefix``.
        config: of obstore, beside what the environment says.
        patience: with the server.

    Raises:
        ValueError: it is no such address.
    """

    def __init__(
        self, url: str, config: Mapping[str, str] | None = None, patience: Patience = PATIENT
    ) -> None:
        bucket, prefix = parse_bucket_url(url)
        _check_process()
        with _in_words(url):
            self._objects = Objects(
                bucket,
                prefix=prefix or None,
                config=dict(config or {}),  # type: ignore[arg-type]
                client_options={
                    "allow_http": True,  # where the endpoint says so
                    "connect_timeout": timedelta(seconds=patience.connect_seconds),
                    "timeout": timedelta(seconds=patience.request_seconds),
                },
                retry_config={
                    "max_retries": patience.retries,
                    "retry_timeout": timedelta(seconds=patience.retry_seconds),
                },
            )

    def find(self, path: str) -> Object | None:
        """The object, without its bytes; None where there is none."""
        try:
            with _in_words(path):
                found = obstore.get(self._objects, path, options={"head": True})
        except FileNotFoundError:
            return None
        return _object(found.meta, str(found.attributes.get(SHA256, "")))

    def read(self, found: Object, start: int, end: int) -> Iterator[bytes]:
        """Bytes of the version that was found, from ``start`` up to, not including, ``end``, part by part.

        Raises:
            FileNotFoundError: it was deleted meanwhile.
            StaleObject: it was replaced meanwhile.
        """
        for at in range(start, end, PART_BYTES):
            options: GetOptions = {"range": (at, min(at + PART_BYTES, end))}
            if found.etag:
                options["if_match"] = found.etag
            with _in_words(found.path):
                yield bytes(obstore.get(self._objects, found.path, options=options).bytes())

    def put(self, path: str, content: bytes | Path, sha256: str, *, new: bool = False) -> None:
        """Keep bytes, whole or not at all; large files go in parts.

        Args:
            new: only where there is no object of this path.

        Raises:
            FileExistsError: ``new``, and there is one.
        """
        attributes: dict[str, Any] = {**DOWNLOAD, SHA256: sha256}
        with _in_words(path):
            obstore.put(
                self._objects,
                path,
                content,
                attributes=attributes,
                mode="create" if new else "overwrite",
                use_multipart=False if new else None,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )

    def list(self, prefix: str) -> Iterator[Object]:
        """Objects whose paths begin with ``prefix`` and a `/`, in no order; without their digests."""
        pages = obstore.list(self._objects, prefix)
        while True:
            with _in_words(prefix):
                page = next(pages, None)
            if page is None:
                return
            yield from (_object(meta, "") for meta in page)

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects; what is not there is no fault."""
        wanted = list(paths)
        if wanted:
            with _in_words(wanted[0]):
                obstore.delete(self._objects, wanted)

    def sign(self, path: str, seconds: float) -> str:
        """An address that anybody can get the object from for so long."""
        with _in_words(path):
            return str(obstore.sign(self._objects, "GET", path, timedelta(seconds=seconds)))


class StoreUnavailable(OSError):
    """The object store cannot be reached, or refuses."""


class StaleObject(OSError):
    """The object was replaced while it was read."""


def _check_process() -> None:
    """Refuse to wait for ever: a process that is forked has not the threads in which obstore works.

    Raises:
        RuntimeError: the process that this one was forked from has used obstore.
    """
    if _USED_BY.setdefault("process", os.getpid()) != os.getpid():
        raise RuntimeError(
            "a bucket was opened before this process was forked; open it in the process that uses it"
        )


def _object(meta: Mapping[str, Any], sha256: str) -> Object:
    return Object(meta["path"], meta["size"], sha256, meta["e_tag"] or "", meta["last_modified"].timestamp())


@contextmanager
def _in_words(path: str) -> Iterator[None]:
    """Errors of obstore become errors of the system that say no more than what happened."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
    except AlreadyExistsError:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from None
    except PreconditionError:
        raise StaleObject(errno.ESTALE, "it was replaced while it was read", path) from None
    except (PermissionDeniedError, UnauthenticatedError):
        raise StoreUnavailable(errno.EACCES, REFUSED, path) from None
    except BaseError as error:
        found = STATUS.search(str(error))
        status = found[1] if found else None
        number, words = OF_STATUS.get(status, (errno.EIO, f"the object store answers with status {status}"))
        raise StoreUnavailable(number, words, path) from None
