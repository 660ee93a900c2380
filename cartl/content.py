"""What `cartl datasets add` and `cartl teachers add` send: a file as it is, or a folder as an archive."""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cartl.problems import NotUsable

CHUNK = 1024 * 1024
NAME_LENGTH = 64
ENDINGS = (".tar", ".zip", ".npz", ".safetensors", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class Content:
    """A file whose bytes are to be sent."""

    path: Path
    size: int
    """Bytes."""

    def chunks(self, sent: Callable[[int], None]) -> Iterator[bytes]:
        """The bytes in their order; ``sent`` is told how many each time."""
        left = self.size
        with self.path.open("rb") as file:
            while left > 0 and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
                sent(len(chunk))
        if left:
            raise NotUsable(f"{self.path} became shorter while it was sent")


@contextmanager
def content_of(source: Path) -> Iterator[Content]:
    """What is sent for a file or a folder; an archive that was made for it goes with the block.

    Raises:
        NotUsable: it is neither, or empty.
        OSError: it cannot be read.
    """
    try:
        is_folder, is_file = source.is_dir(), source.is_file()
    except (OSError, ValueError) as error:
        raise NotUsable(f"{str(source)[:80]!a} is neither a file nor a folder") from error
    if is_file:
        yield _sized(source)
    elif is_folder:
        with tempfile.TemporaryDirectory(prefix="cartl-") as scratch:
            archive = Path(scratch) / "content.tar"
            _write_archive(source, archive)
            yield _sized(archive)
    else:
        raise NotUsable(f"there is no file or folder {str(source)[:200]!a}")


def _sized(path: Path) -> Content:
    size = path.stat().st_size
    if not size:
        raise NotUsable(f"{path} is empty")
    return Content(path, size)


def _write_archive(folder: Path, archive: Path) -> None:
    """The files below ``folder`` in the order of their names; hidden ones, links and devices are left out."""
    found = 0
    with tarfile.open(archive, "w") as tar:
        for path in sorted(folder.rglob("*")):
            inner = path.relative_to(folder)
            if any(part.startswith(".") for part in inner.parts) or path.is_symlink() or not path.is_file():
                continue
            tar.add(path, arcname=str(inner), recursive=False)
            found += 1
    if not found:
        raise NotUsable(f"there is no file in {folder}")


def name_for(source: Path) -> str:
    """A name that the service takes, from that of a file or folder.

    Raises:
        NotUsable: it holds no letter and no digit.
    """
    name = source.absolute().name.lower()
    for ending in sorted(ENDINGS, key=len, reverse=True):
        name = name.removesuffix(ending)
    name = re.sub(r"[^a-z0-9_-]+", "-", name).strip("-_")[:NAME_LENGTH]
    if not name:
        raise NotUsable("its name makes no name for the service; give one with --name")
    return name
