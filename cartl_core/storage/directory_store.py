"""A store that keeps its files in a directory: the key is the path below it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from cartl_core.storage.atomic_write import (
    PendingFile,
    Stat,
    make_directory,
    sync_directory,
    sync_file,
    sync_tree,
)
from cartl_core.storage.local_files import check_tree, chunks_of, files_below, read_range
from cartl_core.storage.local_pending import LocalPending
from cartl_core.storage.store import Content, Entry, KeyRefused, Pending, check_key

INCOMING = ".incoming"
"""Below the root: files and trees that come or go. What a crash leaves here may be removed at any time."""
TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
"""How systems refuse to rename a directory to what is there."""
TRIES = 10
"""Of naming a file, while others remove the empty directories that it is to lie in."""


class DirectoryStore:
    """See ``Store``. What lies behind a symbolic link below the root is not in the store.

    Args:
        root: the directory; made when something is put.

    Attributes:
        root: with links resolved.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def place(self, key: str) -> Path:
        """Where the file or tree ``key`` lies, or would lie.

        Raises:
            KeyRefused: it is no key, or there is a link on the way to it.
        """
        path = self.root / check_key(key)
        if path.parent.resolve() != path.parent:
            raise KeyRefused("there is a symbolic link in the store", key=key)
        return path

    def local(self, key: str) -> Path:
        """The path of a file or tree that is there.

        Raises:
            FileNotFoundError: it is not.
        """
        path = self.root / check_key(key)
        if path.resolve() != path or not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        return path

    def key_of(self, path: Path) -> str:
        """The key of a path below the root.

        Raises:
            KeyRefused: it lies elsewhere, symbolic links resolved, or has a name that no key may have.
        """
        resolved = path.resolve()
        if not resolved.is_relative_to(self.root):
            raise KeyRefused(f"{path.name} lies outside the store", key=path.name)
        return check_key(resolved.relative_to(self.root).as_posix())

    @contextmanager
    def pending(self) -> Iterator[Pending]:
        """See ``Store``."""
        with PendingFile(self.root / INCOMING, "file-") as file:
            yield LocalPending(file, lambda key: self._publish(file, key))

    def _publish(self, file: PendingFile, key: str) -> Stat:
        target = self.place(key)
        written = file.finish()
        in_its_folder(target, lambda: file.publish(target))
        return written

    def put(self, key: str, content: Content) -> Stat:
        """See ``Store``."""
        self.place(key)
        with self.pending() as file:
            for chunk in chunks_of(content):
                file.write(chunk)
            return file.publish(key)

    def put_new(self, key: str, content: Content) -> Stat:
        """See ``Store``."""
        target = self.place(key)
        with PendingFile(self.root / INCOMING, "file-") as file:
            for chunk in chunks_of(content):
                file.write(chunk)
            written = file.finish()
            try:
                in_its_folder(target, lambda: target.hardlink_to(file.path))
            except FileExistsError as error:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), key) from error
        sync_directory(target.parent)
        return written

    def adopt(self, key: str, file: Path) -> None:
        """See ``Store``; one on another file system is copied, and then removed."""
        target = self.place(key)
        sync_file(file)
        try:
            in_its_folder(target, lambda: file.replace(target))
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self.put(key, file)
            file.unlink()
        sync_directory(target.parent)

    def put_tree(self, key: str, directory: Path) -> None:
        """See ``Store``; one on another file system is copied first, and then removed."""
        target = self.place(key)
        check_tree(directory, key)
        sync_tree(directory)
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), key)
        try:
            _name_tree(directory, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy = self._incoming("tree-") / target.name
            try:
                shutil.copytree(directory, copy)
                sync_tree(copy)
                _name_tree(copy, target)
            finally:
                shutil.rmtree(copy.parent, ignore_errors=True)
            shutil.rmtree(directory)

    def open(self, key: str) -> BufferedReader:
        """See ``Store``."""
        path = self.local(key)
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        return path.open("rb")

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See ``Store``."""
        if start < 0 or (end is not None and end < start):
            raise ValueError(f"bytes {start} to {end} are no range; allowed: 0 <= start <= end")
        return read_range(self.open(key), start, end)

    def size(self, key: str) -> int:
        """See ``Store``."""
        with self.open(key) as file:
            return os.fstat(file.fileno()).st_size

    def stat(self, key: str) -> Stat:
        """See ``Store``."""
        with self.open(key) as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return Stat(file.tell(), sha256)

    def verify(self, key: str, sha256: str) -> bool:
        """See ``Store``."""
        return self.stat(key).sha256 == sha256

    def stamp(self, key: str) -> str:
        """See ``Store``: one that is written, even if its times are set back, has another ``ctime``."""
        path = self.local(key)
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        found = path.stat()
        return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"

    def exists(self, key: str) -> bool:
        """See ``Store``."""
        try:
            self.local(key)
        except FileNotFoundError:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        """See ``Store``; files that have names of no key are left out."""
        if not prefix:
            return iter(sorted(files_below(self.root)))
        if not self.exists(prefix):
            return iter(())
        path = self.root / prefix
        return iter([prefix] if path.is_file() else sorted(f"{prefix}/{key}" for key in files_below(path)))

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """See ``Store``."""
        for key in self.list(prefix):
            with suppress(FileNotFoundError):  # deleted meanwhile
                found = (self.root / key).stat()
                yield Entry(key, found.st_size, found.st_mtime)

    def delete(self, key: str) -> bool:
        """See ``Store``; directories around it go when they are empty then."""
        path = self.place(key)
        if not (path.is_symlink() or path.exists()):
            return False
        gone = self._incoming("gone-")
        try:
            path.rename(gone / path.name)
        except FileNotFoundError:  # others have just deleted it
            return False
        finally:
            shutil.rmtree(gone, ignore_errors=True)
        sync_directory(path.parent)
        _remove_empty(path.parent, self.root)
        return True

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """See ``Store``: the file or tree itself."""
        yield self.local(key)

    def _incoming(self, prefix: str) -> Path:
        """A new directory for what comes or goes."""
        make_directory(self.root / INCOMING)
        return Path(tempfile.mkdtemp(dir=self.root / INCOMING, prefix=prefix))


def in_its_folder(target: Path, name: Callable[[], object]) -> None:
    """Call ``name`` once the folder of ``target`` is there; again if others have just removed it, empty."""
    for left in reversed(range(TRIES)):
        try:
            make_directory(target.parent)
        # It was there, and was gone when Python looked whether it is a directory.
        except (FileExistsError, FileNotFoundError):
            if not left:
                raise
            continue
        try:
            name()
        except FileNotFoundError:
            if not left:
                raise
        else:
            return


def _remove_empty(directory: Path, root: Path) -> None:
    """Remove a directory and those around it that are empty then, up to ``root``."""
    with suppress(OSError):  # not empty, or others were here
        while directory != root:
            directory.rmdir()
            directory = directory.parent


def _name_tree(directory: Path, target: Path) -> None:
    """Give a directory its name, unless something is called so."""
    try:
        in_its_folder(target, lambda: directory.rename(target))
    except OSError as error:
        if error.errno in TAKEN:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target.name) from error
        raise
    sync_directory(target.parent)
