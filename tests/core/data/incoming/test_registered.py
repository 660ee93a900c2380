"""A folder of the server: nothing is copied, and a file that changed is refused by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cartl_core.data.incoming import FolderPack, check_dataset, has_changed, open_pack
from cartl_core.data.packed import Pack
from cartl_core.data.packed_images import archive_of_pack
from cartl_core.data.splits import Sizing
from cartl_core.errors import DatasetInvalid
from cartl_core.execution.scratch import Scratch
from tests.core.data.incoming.contents import ORDER, Files, encoded, pets, picture, png, write_folder, zipped

FILES: Files = pets() | {"notes.txt": b"x", "cat/.hidden.png": b"x"}


def registered(tmp_path: Path) -> tuple[Path, FolderPack]:
    root = write_folder(tmp_path / "root", FILES)
    result = check_dataset(ORDER, root, tmp_path / "out")
    assert result.state == "ready", result
    pack = open_pack(tmp_path / "out" / "pack")
    assert isinstance(pack, FolderPack)
    return root, pack


def test_no_pixels_are_copied_and_images_are_those_of_a_pack(tmp_path: Path) -> None:
    _, pack = registered(tmp_path)
    assert sorted(path.name for path in (tmp_path / "out" / "pack").iterdir()) == [
        "found.json",
        "index.npz",
        "paths.json",
        "samples.png",
    ]
    (tmp_path / "content").write_bytes(zipped(FILES))
    check_dataset(ORDER, tmp_path / "content", tmp_path / "copied")
    copied = open_pack(tmp_path / "copied" / "pack")
    assert isinstance(copied, Pack)
    assert copied.found == pack.found
    for position in range(len(pack.index)):
        assert np.array_equal(pack.image(position), copied.image(position))


CHANGES: dict[str, Callable[[Path], object]] = {
    "other pixels": lambda file: file.write_bytes(png(555)),
    "written again": lambda file: os.utime(file, ns=(1, 1)),
    "gone": lambda file: file.unlink(),
    "no image any more": lambda file: file.write_bytes(b"hello"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_refused_by_name(tmp_path: Path, change: str) -> None:
    root, pack = registered(tmp_path)
    position = pack.kept.paths.index("dog/03.png")
    assert np.array_equal(pack.image(position), picture(103))
    CHANGES[change](root / "dog" / "03.png")
    with pytest.raises(DatasetInvalid, match=r"^dog/03\.png: it is not as it was"):
        pack.image(position)
    assert pack.image(position - 1).shape == (8, 9, 3)


def test_other_pixels_are_noticed_though_size_and_time_are_the_same(tmp_path: Path) -> None:
    root, pack = registered(tmp_path)
    position = pack.kept.paths.index("dog/03.png")
    file = root / "dog" / "03.png"
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    other = next(png(n) for n in range(2000, 3000) if len(png(n)) == file.stat().st_size)
    file.write_bytes(other)
    os.utime(file, ns=times)
    with pytest.raises(DatasetInvalid, match=r"dog/03\.png"):
        pack.image(position)


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (lambda root: None, False),
        (lambda root: (root / "more.txt").write_text("x"), False),
        (lambda root: (root / ".hidden.png").write_text("x"), False),
        (lambda root: (root / "cat" / "new.png").write_bytes(png(1)), True),
        (lambda root: (root / "cat" / "00.png").unlink(), True),
        (lambda root: (root / "cat" / "00.png").rename(root / "dog" / "99.png"), True),
        (lambda root: os.utime(root / "cat" / "00.png", ns=(1, 1)), True),
        (lambda root: root.rename(root.with_name("elsewhere")), True),
    ],
)
def test_a_folder_has_changed_when_its_images_have(
    tmp_path: Path, change: Callable[[Path], object], changed: bool
) -> None:
    root, _ = registered(tmp_path)
    change(root)
    assert has_changed(root, tmp_path / "out" / "pack") is changed


def test_links_are_followed_within_the_folder_and_refused_beyond(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "root", FILES)
    (root / "cat" / "link.png").symlink_to(root / "dog" / "00.png")
    assert check_dataset(ORDER, root, tmp_path / "out").state == "ready"
    (tmp_path / "secret.png").write_bytes(png(1))
    (root / "cat" / "out.png").symlink_to(tmp_path / "secret.png")
    result = check_dataset(ORDER, root, tmp_path / "out")
    assert (result.reason, result.message) == (
        "archive_unsafe",
        "'cat/out.png' is a link that leads out of the folder",
    )
    (root / "cat" / "out.png").unlink()
    (root / "all").symlink_to(root)
    assert check_dataset(ORDER, root, tmp_path / "out").reason == "archive_unsafe"
    (root / "all").unlink()
    os.mkfifo(root / "cat" / "pipe.png")
    assert check_dataset(ORDER, root, tmp_path / "out").reason == "archive_unsafe"
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_kept_must_be_whole(tmp_path: Path) -> None:
    registered(tmp_path)
    (tmp_path / "out" / "pack" / "paths.json").write_text("{")
    with pytest.raises(DatasetInvalid, match="cannot be read"):
        open_pack(tmp_path / "out" / "pack")


@pytest.mark.parametrize("size", [8, 9])
def test_a_folder_a_pack_and_arrays_are_read_as_the_same_data_set(tmp_path: Path, size: int) -> None:
    square = {
        f"{kind}/{n:02}.png": encoded(Image.fromarray(picture(50 * label + n, (9, 9))), "PNG")
        for label, kind in enumerate(("cat", "dog"))
        for n in range(12)
    }
    root = write_folder(tmp_path / "root", square)
    backwards = tmp_path / "content"
    backwards.write_bytes(zipped(dict(reversed(square.items()))))
    sources = []
    for content, out in ((root, tmp_path / "one"), (backwards, tmp_path / "other")):
        assert check_dataset(ORDER, content, out).state == "ready"
        sources.append(archive_of_pack(open_pack(out / "pack")))
    for split in ("train", "test"):
        one, other = (getattr(source, split) for source in sources)
        chosen = np.arange(len(one.labels))[::-1]
        sizing = Sizing(size, "fit_crop", Scratch())
        pixels = [taken[places] for taken, places in (s.pixels(chosen, sizing) for s in (one, other))]
        assert np.array_equal(*pixels)
        assert np.array_equal(one.labels, other.labels)
        assert one.digests == other.digests
