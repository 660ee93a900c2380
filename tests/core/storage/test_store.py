"""What every store keeps to, whatever it stands on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.storage.store import CHUNK, KEY_LENGTH, MOST_PARTS, KeyRefused, Store, check_key

BYTES = bytes(range(256)) * 10
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
REFUSED = (
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/..",
    "a/../b",
    "../a",
    "a/./b",
    ".hidden",
    "a/.b",
    "-a",
    "a b",
    "a\\b",
    "a\0",
    "a\n",
    "ä",
    "a:b",
    "C:/a",
    "~/a",
    "x" * 201,
    "/".join("a" * (MOST_PARTS + 1)),
    "/".join(["y" * 199] * 6),
)


def tree(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def read(store: Store, key: str) -> bytes:
    with store.open(key) as file:
        return file.read()


def chunks() -> Iterator[bytes]:
    yield from (BYTES[at : at + 7] for at in range(0, len(BYTES), 7))


def test_bytes_a_file_and_chunks_are_kept_alike(store: Store, tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(BYTES)
    for content in (BYTES, tmp_path / "given", chunks()):
        stat = store.put("a/b.bin", content)
        assert (stat.size, stat.sha256) == (len(BYTES), hashlib.sha256(BYTES).hexdigest())
        assert read(store, "a/b.bin") == BYTES
        assert store.stat("a/b.bin") == stat
        assert store.size("a/b.bin") == stat.size
    assert (tmp_path / "given").read_bytes() == BYTES


def test_a_put_replaces_what_was_there_and_who_reads_it_reads_on(store: Store) -> None:
    store.put("a", b"old")
    with store.open("a") as file:
        store.put("a", b"newer")
        assert file.read() == b"old"
    assert read(store, "a") == b"newer"


def test_a_put_that_breaks_off_leaves_what_was_there(store: Store) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError("the sender is gone")

    for key in ("new", "old"):
        store.put("old", b"old")
        with pytest.raises(ConnectionError):
            store.put(key, broken())
    assert list(store.list()) == ["old"]
    assert read(store, "old") == b"old"


def test_a_file_under_way_is_seen_by_nobody_before_it_is_published(store: Store) -> None:
    with store.pending() as file:
        for chunk in chunks():
            file.write(chunk)
        assert file.size == len(BYTES)
        written = file.finish()
        assert file.path.read_bytes() == BYTES
        assert list(store.list()) == []
        assert file.publish("a/b") == written
    assert read(store, "a/b") == BYTES
    with store.pending() as dropped:
        dropped.write(b"never")
    assert list(store.list()) == ["a/b"]


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, None), (0, 0), (0, 5), (3, 3), (10, 200), (2559, None), (2560, None), (9999, 10**9)],
)
def test_a_range_is_that_of_python(store: Store, start: int, end: int | None) -> None:
    store.put("a", BYTES)
    assert b"".join(store.stream("a", start, end)) == BYTES[start:end]


def test_a_long_file_comes_in_chunks(store: Store) -> None:
    content = b"x" * (CHUNK + 1)
    store.put("a", content)
    parts = list(store.stream("a"))
    assert b"".join(parts) == content
    assert max(map(len, parts)) <= CHUNK


@pytest.mark.parametrize(("start", "end"), [(-1, None), (5, 4)])
def test_what_is_no_range_is_refused(store: Store, start: int, end: int | None) -> None:
    store.put("a", BYTES)
    with pytest.raises(ValueError, match="no range"):
        store.stream("a", start, end)


def test_what_is_not_there_is_said_at_the_call(store: Store) -> None:
    store.put("tree/file", b"1")
    for key in ("missing", "tree/other", "tree", "tree/file/below"):
        for ask in (
            store.open,
            store.stream,
            store.size,
            store.stat,
            lambda key: store.verify(key, "0" * 64),
        ):
            with pytest.raises(FileNotFoundError):
                ask(key)
    with pytest.raises(FileNotFoundError), store.local_copy("missing"):
        pass
    assert not store.exists("missing")
    assert not store.delete("missing")
    assert list(store.list("missing")) == []


def test_a_digest_is_compared(store: Store) -> None:
    stat = store.put("a", BYTES)
    assert store.verify("a", stat.sha256)
    assert not store.verify("a", hashlib.sha256(b"other").hexdigest())


def test_keys_are_listed_in_order_below_whole_names_only(store: Store) -> None:
    keys = ["a-b/x", "a.b", "a/b/c", "a/b/d", "a/c", "ab", "b"]
    for key in reversed(keys):
        store.put(key, b"1")
    assert list(store.list()) == keys
    assert list(store.list("a")) == ["a/b/c", "a/b/d", "a/c"]
    assert list(store.list("a/b")) == ["a/b/c", "a/b/d"]
    assert list(store.list("a/c")) == ["a/c"]
    assert store.exists("a/b")


def test_a_file_is_adopted_in_place_of_another_and_moved(store: Store, tmp_path: Path) -> None:
    store.put("a/b", b"old")
    (tmp_path / "made").write_bytes(BYTES)
    store.adopt("a/b", tmp_path / "made")
    assert read(store, "a/b") == BYTES
    assert not (tmp_path / "made").exists()
    with pytest.raises(FileNotFoundError):
        store.adopt("a/b", tmp_path / "made")
    assert list(store.list()) == ["a/b"]


def test_a_tree_is_put_whole_and_moved(store: Store, tmp_path: Path) -> None:
    files = {"index.json": b"{}", "deep/er/pixels": BYTES}
    made = tree(tmp_path / "made", files)
    store.put_tree("packs/one", made)
    assert not made.exists()
    assert list(store.list("packs")) == ["packs/one/deep/er/pixels", "packs/one/index.json"]
    with store.local_copy("packs/one") as path:
        assert {name: (path / name).read_bytes() for name in files} == files


def test_a_tree_takes_no_key_that_is_taken(store: Store, tmp_path: Path) -> None:
    store.put_tree("tree", tree(tmp_path / "first", {"a": b"1"}))
    store.put("file", b"1")
    second = tree(tmp_path / "second", {"a": b"2"})
    for key in ("tree", "file"):
        with pytest.raises(FileExistsError):
            store.put_tree(key, second)
    assert read(store, "tree/a") == b"1"
    assert (second / "a").read_bytes() == b"2"


def test_a_tree_with_links_or_names_of_no_key_is_refused_whole(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    linked, hidden = tree(tmp_path / "linked", {"a": b"1"}), tree(tmp_path / "hidden", {"d/.x": b"1"})
    (linked / "b").symlink_to(tmp_path / "secret")
    for made in (linked, hidden):
        with pytest.raises(KeyRefused):
            store.put_tree("tree", made)
    with pytest.raises(NotADirectoryError):
        store.put_tree("tree", tmp_path / "nothing")
    assert list(store.list()) == []


def test_what_is_deleted_is_gone_with_all_below_and_nothing_else(store: Store) -> None:
    for key in ("a/b/c", "a/b/d", "a/bc", "e"):
        store.put(key, b"1")
    with store.open("a/b/c") as file:
        assert store.delete("a/b")
        assert file.read() == b"1"
    assert list(store.list()) == ["a/bc", "e"]
    assert store.delete("a/bc")
    assert store.delete("e")
    assert not store.exists("a")
    assert list(store.list()) == []


@pytest.mark.parametrize("key", REFUSED)
def test_what_is_no_key_is_refused_by_every_method(store: Store, tmp_path: Path, key: str) -> None:
    made = tree(tmp_path / "made", {"a": b"1"})
    asked = (store.open, store.stream, store.size, store.stat, store.stamp, store.exists, store.delete)
    for ask in asked:
        with pytest.raises(KeyRefused):
            ask(key)
    with pytest.raises(KeyRefused):
        store.put(key, b"1")
    with pytest.raises(KeyRefused):
        store.put_new(key, b"1")
    with pytest.raises(KeyRefused):
        store.put_tree(key, made)
    with pytest.raises(KeyRefused):
        store.adopt(key, made / "a")
    with pytest.raises(KeyRefused):
        store.verify(key, "0" * 64)
    with pytest.raises(KeyRefused), store.pending() as file:
        file.publish(key)
    with pytest.raises(KeyRefused), store.local_copy(key):
        pass
    if key:
        with pytest.raises(KeyRefused):
            store.list(key)
    assert list(store.list()) == []
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


@given(key=st.text(max_size=40) | st.lists(NAMES, min_size=1, max_size=4).map("/".join))
def test_a_key_never_leads_out_and_has_one_spelling(key: str) -> None:
    try:
        check_key(key)
    except KeyRefused:
        return
    path = Path("/root", key)
    assert path.is_relative_to("/root")
    assert path.relative_to("/root").as_posix() == key
    assert not any(part.startswith((".", "-")) for part in key.split("/"))
    assert len(key) <= KEY_LENGTH
    assert key.isascii()


@given(parts=st.lists(NAMES, min_size=1, max_size=MOST_PARTS))
def test_names_joined_by_slashes_are_a_key(parts: list[str]) -> None:
    assert check_key("/".join(parts)) == "/".join(parts)
