"""A folder as an archive: its size is known before, its bytes are the same everywhere."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cartl.folder_archive import END, FolderArchive, FolderRefused

FILES = {
    "cat/a.PNG": b"a" * 700,
    "cat/b.jpeg": b"b" * 512,
    "dog/größe 1.webp": b"c",
    f"dog/{'long' * 30}/{'name' * 30}.tiff": b"d" * 300_000,
    "dog/empty.bmp": b"",
}
OTHERS = {
    ".DS_Store": "hidden",
    "cat/Thumbs.db": "system_file",
    "cat/notes.txt": "no_image_suffix",
    "dog/more.zip": "archive_inside",
}


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_an_archive_holds_the_images_in_order_and_has_the_size_that_was_said(tmp_path: Path) -> None:
    folder = written(tmp_path / "pets", FILES | dict.fromkeys(OTHERS, b"x"))
    archive = FolderArchive.of(folder)
    told: list[tuple[int, int]] = []
    content = b"".join(archive.chunks(lambda given, size: told.append((given, size))))
    assert len(content) == archive.size
    assert told[-1] == (archive.size, archive.size)
    assert told == sorted(told)
    assert dict(archive.skipped) == OTHERS
    assert archive.skipped_by_reason == dict.fromkeys(OTHERS.values(), 1)
    with tarfile.open(fileobj=io.BytesIO(content)) as read:
        found = {member.name: read.extractfile(member) for member in read}
        assert list(found) == sorted(FILES)
        assert {name: stream.read() for name, stream in found.items() if stream} == FILES
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in read.getmembers()} == {(0, 0, 0, "", 0o644)}


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    one = written(tmp_path / "one", FILES)
    other = written(tmp_path / "other", dict(reversed(FILES.items())))
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    (other / "cat" / "a.PNG").chmod(0o700)
    assert b"".join(FolderArchive.of(one).chunks()) == b"".join(FolderArchive.of(other).chunks())


def test_a_link_within_the_folder_is_sent_as_a_file(tmp_path: Path) -> None:
    folder = written(tmp_path / "pets", {"cat/a.png": b"abc"})
    (folder / "cat" / "b.png").symlink_to("a.png")
    content = b"".join(FolderArchive.of(folder).chunks())
    with tarfile.open(fileobj=io.BytesIO(content)) as read:
        assert [(member.name, member.isreg(), member.size) for member in read] == [
            ("cat/a.png", True, 3),
            ("cat/b.png", True, 3),
        ]


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "link to elsewhere": (
        lambda f: (f / "cat" / "x.png").symlink_to("/etc/passwd"),
        "leads out of the folder",
    ),
    "link to the folder above": (lambda f: (f / "up").symlink_to(".."), "leads out of the folder"),
    "link to a folder within": (lambda f: (f / "again").symlink_to("cat"), "leads to no file"),
    "link to itself": (lambda f: (f / "me").symlink_to("me"), "leads round in a circle"),
    "link to nothing": (lambda f: (f / "cat" / "x.png").symlink_to("gone.png"), "leads to no file"),
    "pipe": (lambda f: os.mkfifo(f / "cat" / "x.png"), "neither file nor folder"),
    "name in no UTF-8": (
        lambda f: Path(os.fsdecode(os.fsencode(f / "cat") + b"/\xff.png")).write_bytes(b"x"),
        "no UTF-8 text",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_send_other_files_is_refused(tmp_path: Path, kind: str) -> None:
    folder = written(tmp_path / "pets", {"cat/a.png": b"abc"})
    make, says = REFUSED[kind]
    make(folder)
    with pytest.raises(FolderRefused, match=says):
        FolderArchive.of(folder)


def test_a_folder_without_images_or_none_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderRefused, match="absent cannot be read: No such file"):
        FolderArchive.of(tmp_path / "absent")
    written(tmp_path / "texts", {"cat/a.txt": b"abc"})
    with pytest.raises(FolderRefused, match="texts holds no images"):
        FolderArchive.of(tmp_path / "texts")


@pytest.mark.parametrize("content", [b"", b"ab", b"abcd" * 100_000])
def test_a_file_that_changes_while_it_is_sent_ends_the_sending(tmp_path: Path, content: bytes) -> None:
    folder = written(tmp_path / "pets", {"cat/a.png": b"abc"})
    archive = FolderArchive.of(folder)
    (folder / "cat" / "a.png").write_bytes(content)
    with pytest.raises(FolderRefused, match="was changed while it was sent"):
        list(archive.chunks())
    (folder / "cat" / "a.png").unlink()
    with pytest.raises(FolderRefused, match="cannot be read: No such file"):
        list(archive.chunks())
    assert archive.size == 512 + 512 + len(END)


def test_neither_torch_nor_numpy_nor_pillow_is_needed() -> None:
    code = (
        "import sys\nfor name in ('torch', 'numpy', 'PIL'): sys.modules[name] = None\n"
        "import cartl.folder_archive"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
