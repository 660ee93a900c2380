"""What `cartl datasets add` and `cartl teachers add` send: a file as it is, or a folder as an archive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cartl.folder_archive import CHUNK, FolderArchive, Tell
from cartl.http.problems import NotUsable

NAME_LENGTH = 64
ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip", ".npz", ".safetensors")


@dataclass(frozen=True)
class FileContent:
    """A file whose bytes are to be sent."""

    path: Path
    size: int
    """Bytes."""

    def chunks(self, tell: Tell) -> Iterator[bytes]:
        """The bytes, ``size`` of them; ``tell`` as of ``FolderArchive``.

        Raises:
            NotUsable: the file has become shorter.
        """
        given = 0
        with self.path.open("rb") as file:
            while given < self.size and (chunk := file.read(min(CHUNK, self.size - given))):
                given += len(chunk)
                tell(given, self.size)
                yield chunk
        if given < self.size:
            raise NotUsable(f"{self.path} became shorter while it was sent")


Content = FileContent | FolderArchive


def content_of(source: Path) -> Content:
    """What is sent for a file or a folder.

    Raises:
        NotUsable: it is neither, is empty, or holds no images in class folders.
        OSError: it cannot be read.
    """
    try:
        is_folder, is_file = source.is_dir(), source.is_file()
    except (OSError, ValueError) as error:
        raise NotUsable(f"{str(source)[:80]!a} is neither a file nor a folder") from error
    if is_folder:
        return FolderArchive.of(source)
    if not is_file:
        raise NotUsable(f"there is no file or folder {str(source)[:200]!a}")
    size = source.stat().st_size
    if not size:
        raise NotUsable(f"{source} is empty")
    return FileContent(source, size)


def name_for(source: Path) -> str:
    """A name that the service takes, from that of a file or folder.

    Raises:
        NotUsable: it holds no letter and no digit.
    """
    name = source.absolute().name.lower()
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    name = re.sub(r"[^a-z0-9_-]+", "-", name).strip("-_")[:NAME_LENGTH]
    if not name:
        raise NotUsable("its name makes no name for the service; give one with --name")
    return name
