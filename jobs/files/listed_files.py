"""What a store holds, two levels down, for retention: ``DIGEST/CLAIM`` of stages, ``JOB/TOKEN`` of artifacts.

Both kinds of store are listed as paths below a root, which of a bucket is no folder.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cartl_core.storage.directory_store import DirectoryStore
from cartl_core.storage.s3_store import S3Store
from cartl_core.storage.shared_arrays import FOLDER
from cartl_core.storage.store import Entry, KeyRefused
from jobs.files.stores import FileStore

LEVELS = 2


class ListedFiles(Protocol):
    """What was there when it was listed."""

    root: Path
    found: list[Path]
    """Files and directories, in order."""

    def newest(self, path: Path) -> float:
        """When something in it was written last, in seconds since 1970; 0 where it is gone."""

    def size(self, path: Path) -> int:
        """Bytes."""

    def remove(self, path: Path) -> None:
        """Remove it, and what is empty then."""


def list_files(store: FileStore, root: Path) -> ListedFiles:
    """List a store; ``root``: of the paths of a bucket."""
    return InBucket(store, root) if isinstance(store, S3Store) else InDirectory(store)


class InDirectory:
    """See ``ListedFiles``; what has no key is listed as well: temporaries that a crash has left."""

    def __init__(self, store: DirectoryStore) -> None:
        self._store = store
        self.root = store.root
        self.found = sorted(
            path for path in self.root.glob("*/*") if path.parent.name != FOLDER and not path.is_symlink()
        )

    def newest(self, path: Path) -> float:
        """See ``ListedFiles``."""
        return max((file.lstat().st_mtime for file in _files(path)), default=0.0)

    def size(self, path: Path) -> int:
        """See ``ListedFiles``."""
        return sum(file.lstat().st_size for file in _files(path) if not file.is_dir())

    def remove(self, path: Path) -> None:
        """See ``ListedFiles``."""
        with suppress(KeyRefused):
            self._store.delete(self._store.key_of(path))
            return
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # a claim of this moment writes there, or another prune was here
            path.parent.rmdir()


class InBucket:
    """See ``ListedFiles``."""

    def __init__(self, store: S3Store, root: Path) -> None:
        self._store = store
        self.root = root
        self._entries: defaultdict[Path, list[Entry]] = defaultdict(list)
        for entry in store.entries():
            parts = entry.key.split("/")
            if len(parts) >= LEVELS:
                self._entries[root.joinpath(*parts[:LEVELS])].append(entry)
        self.found = sorted(self._entries)

    def newest(self, path: Path) -> float:
        """See ``ListedFiles``."""
        return max(entry.modified for entry in self._entries[path])

    def size(self, path: Path) -> int:
        """See ``ListedFiles``."""
        return sum(entry.size for entry in self._entries[path])

    def remove(self, path: Path) -> None:
        """See ``ListedFiles``."""
        self._store.delete(path.relative_to(self.root).as_posix())


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file() or file.is_symlink())
    yield path
