"""A store in a directory: links, crashes, other file systems, and layouts of earlier versions."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from cartl_core.storage import atomic_write, directory_store
from cartl_core.storage.directory_store import INCOMING, DirectoryStore
from cartl_core.storage.store import KeyRefused

KILLED = """
import os, signal, sys
from pathlib import Path
from cartl_core.storage.directory_store import DirectoryStore

def die(self, target):
    os.kill(os.getpid(), signal.SIGKILL)

Path.replace = Path.rename = die
root, what = Path(sys.argv[1]), sys.argv[2]
store = DirectoryStore(root / "store")
if what == "file":
    store.put("a/b", b"x" * 100_000)
elif what == "replaced":
    store.put("kept", b"x" * 100_000)
elif what == "tree":
    store.put_tree("tree", root / "made")
else:
    store.delete("kept")
"""


@pytest.mark.parametrize("what", ["file", "replaced", "tree", "deleted"])
def test_killed_before_the_rename_nothing_is_to_be_seen(tmp_path: Path, what: str) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put("kept", b"kept")
    (tmp_path / "made").mkdir()
    (tmp_path / "made/file").write_bytes(b"1")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), what],
        cwd=Path(__file__).parents[3],
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL
    assert list(store.list()) == ["kept"]
    assert not store.exists("a/b")
    with store.open("kept") as file:
        assert file.read() == b"kept"
    store.put("a/b", b"again")
    store.put_tree("tree", tmp_path / "made")
    assert list(store.list()) == ["a/b", "kept", "tree/file"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(tmp_path)
    store.put("a/first", b"1")
    steps: list[str] = []
    replace, sync = Path.replace, atomic_write.sync_directory

    def named(path: Path, target: Path) -> Path:
        steps.append("named")
        return replace(path, target)

    def synced(directory: Path) -> None:
        steps.append(f"directory {directory.name}")
        sync(directory)

    monkeypatch.setattr("os.fsync", lambda handle: steps.append("file"))
    monkeypatch.setattr(Path, "replace", named)
    monkeypatch.setattr(atomic_write, "sync_directory", synced)
    store.put("a/second", b"2")
    without_fsync_of_the_directory = [step for step in steps if step != "file"]
    assert steps.index("file") < steps.index("named")
    assert without_fsync_of_the_directory == ["named", "directory a"]


def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store = DirectoryStore(tmp_path / "store")
    store.put("a", b"1")
    (store.root / "folder").symlink_to(outside)
    (store.root / "file").symlink_to(outside / "secret")
    for key in ("folder/secret", "file", "folder"):
        assert not store.exists(key)
        assert list(store.list(key)) == []
        with pytest.raises(FileNotFoundError):
            store.open(key)
    assert list(store.list()) == ["a"]
    for change in (lambda: store.put("folder/new", b"1"), lambda: store.delete("folder/secret")):
        with pytest.raises(KeyRefused):
            change()
    store.put("file", b"ours")
    assert store.delete("folder")
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_root_behind_a_link_is_a_root(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    store = DirectoryStore(tmp_path / "link")
    store.put("a/b", b"1")
    assert store.local("a/b") == tmp_path / "disk/a/b"
    assert store.key_of(tmp_path / "link/a/b") == "a/b"
    with pytest.raises(KeyRefused, match="outside"):
        store.key_of(tmp_path / "elsewhere")


def test_a_tree_on_another_file_system_is_copied_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(tmp_path / "store")
    made = tmp_path / "made"
    (made / "deep").mkdir(parents=True)
    (made / "deep/file").write_bytes(b"1")
    rename = Path.rename

    def on_one_file_system(path: Path, target: Path) -> Path:
        if path.is_relative_to(store.root) is not target.is_relative_to(store.root):
            raise OSError(errno.EXDEV, "another file system")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", on_one_file_system)
    monkeypatch.setattr(Path, "replace", on_one_file_system)
    store.put_tree("packs/one", made)
    made.write_bytes(b"2")
    store.adopt("file", made)
    assert list(store.list()) == ["file", "packs/one/deep/file"]
    assert not made.exists()
    assert list((store.root / INCOMING).iterdir()) == []


def test_nothing_is_left_of_what_went(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put("a/b/c", b"1")
    with pytest.raises(KeyRefused):
        store.put("../x", b"1")
    store.delete("a")
    assert [path.name for path in tmp_path.iterdir()] == [INCOMING]
    assert list((tmp_path / INCOMING).iterdir()) == []


def test_files_that_were_there_before_are_in_the_store(tmp_path: Path) -> None:
    old = tmp_path / "uploads/3f.safetensors"
    old.parent.mkdir()
    old.write_bytes(b"old")
    (tmp_path / ".cartl-directory").write_text("id")
    store = DirectoryStore(tmp_path)
    assert list(store.list()) == ["uploads/3f.safetensors"]
    assert store.size("uploads/3f.safetensors") == 3


def test_what_a_file_holds_is_no_tree(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put("a", b"1")
    store.put("t/b", b"1")
    for key in ("a/b", "t"):
        with pytest.raises(OSError, match=r"exist|directory"):
            store.put(key, b"1")
    assert list(store.list()) == ["a", "t/b"]


@pytest.mark.parametrize(("times", "is_kept"), [(1, True), (directory_store.TRIES, False)])
def test_a_folder_that_goes_while_it_is_looked_at_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, is_kept: bool
) -> None:
    """``Path.mkdir`` says that it exists when it was there, and was removed before it looked what it is."""
    store, raced, make = DirectoryStore(tmp_path), list[Path](), atomic_write.make_directory

    def race(directory: Path) -> None:
        if directory.name == "deep" and len(raced) < times:
            raced.append(directory)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(directory))
        make(directory)

    monkeypatch.setattr("cartl_core.storage.directory_store.make_directory", race)
    with nullcontext() if is_kept else pytest.raises(FileExistsError):
        store.put("deep/a", b"1")
    assert len(raced) == times
    assert store.exists("deep/a") is is_kept
