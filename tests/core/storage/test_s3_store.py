"""A store in a bucket: digests on the way in and out, cached copies, trees, addresses, and its errors."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from cartl_core.storage.bucket import PART_BYTES, PATIENT, Bucket, Object
from cartl_core.storage.s3_store import S3Store
from cartl_core.storage.store import KeyRefused
from tests.fixtures.object_store import ACCESS_KEY, SECRET_KEY, ObjectServer

BYTES = bytes(range(256)) * 10


@pytest.fixture
def bucket(object_server: ObjectServer) -> Bucket:
    return Bucket(f"s3://{object_server.bucket}/{secrets.token_hex(8)}", object_server.config)


@pytest.fixture
def store(bucket: Bucket, tmp_path: Path) -> S3Store:
    return S3Store(bucket, "store", tmp_path / "scratch", cache_bytes=1_000_000)


def damage(bucket: Bucket, store: S3Store, key: str, content: bytes) -> None:
    """Other bytes under the old digest, as a disk of the server would give them."""
    bucket.put(f"store/files/{key}", content, store.recorded(key).sha256)


def test_a_large_file_goes_and_comes_in_parts(store: S3Store, tmp_path: Path) -> None:
    content = BYTES * (PART_BYTES // len(BYTES)) + b"the end"
    (tmp_path / "large").write_bytes(content)
    store.put("large", tmp_path / "large")
    assert b"".join(store.stream("large")) == content
    assert b"".join(store.stream("large", PART_BYTES - 1, PART_BYTES + 1)) == content[PART_BYTES - 1 :][:2]
    with store.local_copy("large") as path:
        assert path.read_bytes() == content


def test_bytes_that_have_changed_are_not_given_out(bucket: Bucket, store: S3Store) -> None:
    store.put("a", BYTES)
    damage(bucket, store, "a", BYTES[::-1])
    with pytest.raises(OSError, match="SHA-256"):
        store.open("a")
    with pytest.raises(OSError, match="SHA-256"), store.local_copy("a"):
        pass
    came: list[bytes] = []
    with pytest.raises(OSError, match="SHA-256"):
        came.extend(store.stream("a"))
    assert came == []
    assert not store.verify("a", store.recorded("a").sha256)


def test_what_others_have_put_is_refused(bucket: Bucket, store: S3Store) -> None:
    bucket.put("store/files/a", b"1", "")
    with pytest.raises(OSError, match="not put by this service"):
        store.open("a")


def test_a_second_copy_comes_from_the_cache_unless_that_was_damaged(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", BYTES)
    reads: list[str] = []
    read = Bucket.read

    def counted(self: Bucket, found: Object, start: int, end: int) -> Iterator[bytes]:
        reads.append(found.path)
        return read(self, found, start, end)

    monkeypatch.setattr(Bucket, "read", counted)
    for _ in range(2):
        with store.local_copy("a") as path:
            assert path.read_bytes() == BYTES
    assert len(reads) == 1
    (kept,) = (tmp_path / "scratch/cache").iterdir()
    kept.chmod(0o600)
    kept.write_bytes(BYTES[::-1])
    with store.local_copy("a") as path:
        assert path.read_bytes() == BYTES
    assert len(reads) == 2


def test_the_cache_keeps_within_its_bytes_and_copies_that_are_read_stay(
    store: S3Store, tmp_path: Path
) -> None:
    contents = {name: secrets.token_bytes(400_000) for name in "abc"}
    for name, content in contents.items():
        store.put(name, content)
    with store.local_copy("a") as first, store.local_copy("b"), store.local_copy("c"):
        assert first.read_bytes() == contents["a"]
        kept = [path.stat().st_size for path in (tmp_path / "scratch/cache").iterdir()]
        assert kept == [400_000, 400_000]
    store.put("huge", secrets.token_bytes(1_000_001))
    with store.local_copy("huge") as path:
        assert path.stat().st_size == 1_000_001
    assert sorted(path.name for path in (tmp_path / "scratch").iterdir()) == ["cache"]


def test_a_tree_that_breaks_off_leaves_nothing(
    bucket: Bucket, store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    for name in "ab":
        (made / name).write_bytes(b"1")
    put = Bucket.put

    def broken(self: Bucket, path: str, content: bytes | Path, sha256: str, *, new: bool = False) -> None:
        if path.endswith("/b"):
            raise ConnectionError("the network is gone")
        put(self, path, content, sha256, new=new)

    monkeypatch.setattr(Bucket, "put", broken)
    with pytest.raises(ConnectionError):
        store.put_tree("tree", made)
    assert list(store.list()) == []
    assert list(bucket.list("store")) == []
    assert sorted(path.name for path in made.iterdir()) == ["a", "b"]
    monkeypatch.undo()
    store.put_tree("tree", made)
    with pytest.raises(KeyRefused, match="with its tree"):
        store.delete("tree/a")
    assert store.delete("tree")
    assert list(bucket.list("store")) == []


def test_an_address_opens_one_file_to_anybody(store: S3Store) -> None:
    store.put("a.html", b"<script>")
    answer = httpx.get(store.sign("a.html", 60))
    assert answer.content == b"<script>"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-type"] == "binary/octet-stream"
    assert SECRET_KEY not in store.sign("a.html", 60)


@pytest.mark.parametrize("changed", ["aws_secret_access_key", "aws_endpoint_url"])
def test_errors_say_what_happened_and_no_credentials(
    object_server: ObjectServer, tmp_path: Path, changed: str
) -> None:
    wrong = {"aws_secret_access_key": "not-the-secret", "aws_endpoint_url": "http://127.0.0.1:1"}
    config = {**object_server.config, changed: wrong[changed]}
    store = S3Store(
        Bucket("s3://cartl-tests/x", config, replace(PATIENT, retries=0)), "store", tmp_path, cache_bytes=0
    )
    with pytest.raises(OSError, match=r"refuses these credentials|cannot be reached") as caught:
        store.put("a", b"1")
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(store))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    for secret in (SECRET_KEY, ACCESS_KEY, "not-the-secret"):
        assert secret not in shown
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "s3:/a", "http://a/b", "s3://", "s3://A/b", "s3://key:secret@a/b", "s3://a/b?x=1", "s3://a/b c"],
)
def test_what_is_no_address_of_a_bucket_is_refused_without_its_words(url: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket/prefix") as caught:
        Bucket(url)
    assert "secret" not in str(caught.value)
