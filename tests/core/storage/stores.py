"""The implementations of ``Store``: each must pass the same tests."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from cartl_core.storage.bucket import Bucket
from cartl_core.storage.directory_store import DirectoryStore
from cartl_core.storage.s3_store import S3Store
from cartl_core.storage.store import Store
from tests.fixtures.object_store import ObjectServer

Make = Callable[[pytest.FixtureRequest, Path], Store]


def in_a_bucket(request: pytest.FixtureRequest, folder: Path) -> S3Store:
    """A store of its own on the server of the test session."""
    server: ObjectServer = request.getfixturevalue("object_server")
    bucket = Bucket(f"s3://{server.bucket}/{secrets.token_hex(8)}", server.config)
    return S3Store(bucket, "store", folder / "scratch", cache_bytes=10**9)


IMPLEMENTATIONS: dict[str, Make] = {
    "directory": lambda request, folder: DirectoryStore(folder / "store"),
    "s3": in_a_bucket,
}
"""By name; each is made from an empty folder of the test."""
