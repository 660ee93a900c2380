"""What every store keeps to when several use it at once, and what tells a change."""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from cartl_core.storage.store import Store
from tests.core.storage.test_store import BYTES, chunks, read, tree


def test_a_new_file_takes_no_key_that_is_taken(store: Store) -> None:
    stat = store.put_new("a/b", chunks())
    assert (stat.size, stat.sha256) == (len(BYTES), hashlib.sha256(BYTES).hexdigest())
    with pytest.raises(FileExistsError):
        store.put_new("a/b", b"other")
    assert read(store, "a/b") == BYTES
    assert store.stat("a/b") == stat


def test_of_several_new_files_of_one_key_one_is_kept(store: Store) -> None:
    contents = [bytes([number]) * 1000 for number in range(4)]
    kept: list[bytes] = []

    def put(content: bytes) -> None:
        with suppress(FileExistsError):
            store.put_new("a", content)
            kept.append(content)

    threads = [threading.Thread(target=put, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept == [read(store, "a")]


def test_a_stamp_is_another_once_the_file_was_written(store: Store, tmp_path: Path) -> None:
    store.put("a", b"old")
    stamp = store.stamp("a")
    assert store.stamp("a") == stamp
    store.put("a", b"new")
    assert store.stamp("a") != stamp
    store.put_tree("tree", tree(tmp_path / "made", {"file": b"1"}))
    assert store.stamp("tree/file") == store.stamp("tree/file")
    with pytest.raises(FileNotFoundError):
        store.stamp("missing")


def test_entries_have_sizes_and_times(store: Store, tmp_path: Path) -> None:
    store.put("a/b", BYTES)
    store.put_tree("a/tree", tree(tmp_path / "made", {"deep/file": b"1"}))
    found = {entry.key: entry for entry in store.entries("a")}
    assert {key: entry.size for key, entry in found.items()} == {"a/b": len(BYTES), "a/tree/deep/file": 1}
    assert all(abs(entry.modified - time.time()) < 3600 for entry in found.values())
    assert list(store.entries("missing")) == []
    assert [entry.key for entry in store.entries("a/tree/deep")] == ["a/tree/deep/file"]


def test_a_reader_sees_the_old_or_the_new_and_never_a_part(store: Store) -> None:
    versions = [bytes([number]) * 200_000 for number in range(8)]
    store.put("a", versions[0])
    written = threading.Event()

    def write() -> None:
        for version in versions * 5:
            store.put("a", version)
        written.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while not written.is_set() or seen < 3:
        assert read(store, "a") in versions
        seen += 1
    writer.join()


def test_names_given_and_taken_at_once_lose_nothing(store: Store) -> None:
    """Directories that are empty go with their last file, while others put theirs there."""

    def work(name: str) -> None:
        for _ in range(50):
            store.put(f"shared/deep/{name}", b"1")
            assert store.delete(f"shared/deep/{name}")
        store.put(f"shared/deep/{name}", b"last")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(store.list()) == [f"shared/deep/{name}" for name in "abc"]
