"""A store that keeps its files in an S3-compatible bucket; see ``Store``.

What is read whole is compared with the SHA-256 that it was kept under. What needs a path is copied to a local
folder, through a cache.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from cartl_core.storage.atomic_write import PendingFile, Stat, make_directory
from cartl_core.storage.bucket import Bucket, Object, StaleObject
from cartl_core.storage.content_cache import DAMAGED, ContentCache
from cartl_core.storage.local_files import check_tree, chunks_of
from cartl_core.storage.local_pending import LocalPending
from cartl_core.storage.s3_layout import Layout
from cartl_core.storage.store import CHUNK, Content, Entry, KeyRefused, Pending, check_key

TRIES = 5
"""Of reading a file that others replace meanwhile."""

T = TypeVar("T")


class S3Store:
    """See ``Store``.

    Args:
        root: below which the store lies in the bucket; not empty.
        scratch: a local folder for what comes and goes, and for copies; made when needed.
        cache_bytes: of copies that are kept.
    """

    def __init__(self, bucket: Bucket, root: str, scratch: Path, cache_bytes: int) -> None:
        self._bucket = bucket
        self._layout = Layout(bucket, root)
        self._scratch = scratch.resolve()
        self._cache = ContentCache(self._scratch / "cache", cache_bytes)

    @contextmanager
    def pending(self) -> Iterator[Pending]:
        """See ``Store``."""
        with PendingFile(self._scratch, ".incoming-") as file:
            yield LocalPending(file, lambda key: self.upload(key, file))

    def upload(self, key: str, file: PendingFile, *, new: bool = False) -> Stat:
        """Keep a local file."""
        path = self._layout.path(key)
        written = file.finish()
        self._bucket.put(path, file.path, written.sha256, new=new)
        return written

    def put(self, key: str, content: Content) -> Stat:
        """See ``Store``."""
        return self._put(key, content, new=False)

    def put_new(self, key: str, content: Content) -> Stat:
        """See ``Store``."""
        return self._put(key, content, new=True)

    def _put(self, key: str, content: Content, *, new: bool) -> Stat:
        check_key(key)
        with PendingFile(self._scratch, ".incoming-") as file:
            for chunk in chunks_of(content):
                file.write(chunk)
            return self.upload(key, file, new=new)

    def adopt(self, key: str, file: Path) -> None:
        """See ``Store``; the file is copied, and then removed."""
        path = self._layout.path(key)
        with file.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        self._bucket.put(path, file, sha256)
        file.unlink()

    def put_tree(self, key: str, directory: Path) -> None:
        """See ``Store``; the directory is copied, and then removed."""
        check_key(key)
        check_tree(directory, key)
        if self.exists(key):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), key)
        self._layout.trees.put(key, directory)
        shutil.rmtree(directory)

    def open(self, key: str) -> BufferedReader:
        """See ``Store``: a local copy without a name."""
        with self._folder() as folder:
            copy = folder / "copy"
            self._fetch_file(key, copy)
            return copy.open("rb")

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See ``Store``; where all of it is asked for, its last bytes come once its digest is proven.

        Raises:
            OSError: as the bytes come, when others replace or delete the file meanwhile.
        """
        if start < 0 or (end is not None and end < start):
            raise ValueError(f"bytes {start} to {end} are no range; allowed: 0 <= start <= end")
        found = self._layout.found(key)
        stop = found.size if end is None else min(end, found.size)
        chunks = _chunks(self._bucket.read(found, start, stop))
        return _proven(chunks, found.sha256) if (start, stop) == (0, found.size) else chunks

    def size(self, key: str) -> int:
        """See ``Store``."""
        return self._layout.found(key).size

    def stat(self, key: str) -> Stat:
        """See ``Store``."""

        def read(found: Object) -> Stat:
            sha = hashlib.sha256()
            for part in self._bucket.read(found, 0, found.size):
                sha.update(part)
            return Stat(found.size, sha.hexdigest())

        return self._of_one_version(key, read)

    def recorded(self, key: str) -> Stat:
        """Size and SHA-256 as they were when the file was put. Raises ``FileNotFoundError``."""
        found = self._layout.found(key)
        return Stat(found.size, found.sha256)

    def entry(self, key: str) -> Entry:
        """What ``entries`` tells of a file. Raises ``FileNotFoundError``."""
        found = self._layout.found(key)
        return Entry(key, found.size, found.modified)

    def verify(self, key: str, sha256: str) -> bool:
        """See ``Store``."""
        return self.stat(key).sha256 == sha256

    def stamp(self, key: str) -> str:
        """See ``Store``."""
        found = self._layout.found(key)
        return f"{found.path} {found.etag} {found.modified}"

    def exists(self, key: str) -> bool:
        """See ``Store``."""
        check_key(key)
        return self._layout.find(key) is not None or bool(self._layout.below(key))

    def list(self, prefix: str = "") -> Iterator[str]:
        """See ``Store``."""
        return iter([entry.key for entry in self.entries(prefix)])

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """See ``Store``; the files of a tree are as old as the tree."""
        if prefix:
            check_key(prefix)
        found = self._layout.below(prefix)
        return iter([Entry(key, found[key].size, found[key].modified) for key in sorted(found)])

    def delete(self, key: str) -> bool:
        """See ``Store``; a file of a tree goes with its tree alone.

        Raises:
            KeyRefused: the key leads into a tree.
        """
        path = self._layout.path(key)
        trees = [tree for _, tree in self._layout.trees.below(key)]
        files = [one.path for one in self._bucket.list(path)]
        files += [path] if self._bucket.find(path) is not None else []
        if not (trees or files):
            if self._layout.trees.around(key) is not None:
                raise KeyRefused("a file of a tree is deleted with its tree", key=key)
            return False
        self._bucket.delete(files)
        for tree in trees:
            self._layout.trees.delete(tree)
        return True

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """See ``Store``: a copy, gone with the block."""
        check_key(key)
        with self._folder() as folder:
            copy = folder / key.rpartition("/")[2]
            self.fetch(key, copy)
            yield copy

    def fetch(self, key: str, target: Path) -> None:
        """Copy a file or tree to a path on the file system of ``scratch``, where nothing is yet.

        Raises:
            FileNotFoundError: there is none.
            OSError: its SHA-256 is another than when it was put.
        """
        if self._layout.find(key) is not None:
            self._fetch_file(key, target)
            return
        below = self._layout.below(key)
        if not below:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        for name in below:
            path = target / name.removeprefix(f"{key}/")
            make_directory(path.parent)
            self._fetch_file(name, path)

    def _fetch_file(self, key: str, target: Path) -> None:
        self._of_one_version(key, lambda found: self._place(found, target))

    def sweep(self, before: float) -> int:
        """Delete what trees that broke off have left, if it was written ``before``; how many objects.

        Args:
            before: in seconds since 1970, long before any tree that is being put.
        """
        return self._layout.trees.sweep(before)

    def sign(self, key: str, seconds: float) -> str:
        """An address that anybody can get the file from for so long. Raises ``FileNotFoundError``."""
        return self._bucket.sign(self._layout.found(key).path, seconds)

    def _place(self, found: Object, target: Path) -> None:
        def download(file: PendingFile) -> None:
            for part in self._bucket.read(found, 0, found.size):
                file.write(part)

        self._cache.place(found.sha256, target, download)

    def _of_one_version(self, key: str, read: Callable[[Object], T]) -> T:
        """What ``read`` makes of the file; again where others have replaced it meanwhile."""
        for left in reversed(range(TRIES)):
            try:
                return read(self._layout.found(key))
            except StaleObject:
                if not left:
                    raise
        raise AssertionError("unreachable")

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """A local folder, gone with the block."""
        make_directory(self._scratch)
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix=".copy-") as folder:
            yield Path(folder)


def _chunks(parts: Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield from (part[at : at + CHUNK] for at in range(0, len(part), CHUNK))


def _proven(chunks: Iterator[bytes], sha256: str) -> Iterator[bytes]:
    """The chunks, the last of them only where all have the digest."""
    sha, held = hashlib.sha256(), b""
    for chunk in chunks:
        sha.update(chunk)
        if held:
            yield held
        held = chunk
    if sha.hexdigest() != sha256:
        raise OSError(errno.EIO, DAMAGED)
    if held:
        yield held
