"""Arrays that the runs of one machine share: computed once under a digest, kept in files under a budget.

An array is the file ``DIGEST`` of a folder (``array_file`` has its form). It is computed in
``DIGEST.pending``, which whoever computes it holds locked, and gets its name when it is whole. A pending file
that nobody holds was left by a dead process: it is written anew or removed. Who has mapped a file keeps the
numbers when its name goes.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cartl_core.storage.array_file import HEAD_BYTES, ArrayFormat, damage, mapped_file, write_head

FOLDER = ".features"
"""Below the stages' folder: no key of a store, and no stage."""
DEFAULT_BYTES = 16 * 2**30
PENDING, LOCK = ".pending", ".lock"
POLL_SECONDS = 0.1
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Of who asks for an array.

    Attributes:
        check: called while waiting and reading; it raises to break off.
        tell: told of an array that is damaged and computed anew.
    """

    check: Callable[[], None] = lambda: None
    tell: Callable[[str], None] = log.warning


class SharedArrays:
    """A folder of such arrays; whoever has been asked for longest ago goes first when room is needed.

    Args:
        directory: made when an array is kept.
        limit_bytes: of all files together; arrays that somebody has mapped but that have no name any more
            are not counted.
    """

    def __init__(self, directory: Path, limit_bytes: int = DEFAULT_BYTES) -> None:
        self.directory, self.limit_bytes = directory, limit_bytes

    def get(
        self, digest: str, form: ArrayFormat, fill: Callable[[mmap.mmap], None], caller: Caller
    ) -> mmap.mmap | None:
        """The file of an array, mapped; its numbers begin at ``HEAD_BYTES``.

        ``fill`` writes them where nobody has; another process that computes the same is waited for.

        Returns:
            None: it cannot be kept here, for want of room or of a folder that can be written.
        """
        if form.size == 0 or HEAD_BYTES + form.size > self.limit_bytes:
            return None
        while True:
            try:
                if (found := self._find(digest, form, caller)) is not None:
                    return found
                held = self._hold(self.directory / f"{digest}{PENDING}")
                room = held is None or self._reserve(held, HEAD_BYTES + form.size)
            except OSError as error:
                log.warning("features are not shared: %s", error.strerror)
                return None
            if held is None:
                caller.check()
                time.sleep(POLL_SECONDS)
                continue
            with _released(held, self.directory / f"{digest}{PENDING}"):
                return self._make(held, digest, form, fill) if room else None

    def unused_for(self, seconds: float) -> tuple[Path, ...]:
        """Arrays that nobody has asked for so long, and all that dead processes have left."""
        latest = time.time() - seconds
        return tuple(
            one.path
            for one in self._files()
            if not one.held and (one.used_at <= latest or one.path.suffix == PENDING)
        )

    def _find(self, digest: str, form: ArrayFormat, caller: Caller) -> mmap.mmap | None:
        """A whole array, marked as used now; one that is not what was written is dropped."""
        path = self.directory / digest
        try:
            with path.open("rb") as file:
                mapped = mapped_file(file)
        except FileNotFoundError:
            return None
        wrong = "the file is empty" if mapped is None else damage(mapped, form, caller.check)
        if wrong is None:
            with suppress(FileNotFoundError):
                os.utime(path)
            return mapped
        caller.tell(f"shared features are computed again: {wrong}")
        path.unlink(missing_ok=True)
        return None

    def _hold(self, path: Path) -> int | None:
        """A descriptor of the pending file, locked; None while another has it."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _names(path, descriptor):
                return descriptor
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _reserve(self, held: int, size: int) -> bool:
        """Take ``size`` bytes of the budget and of the disk, in the place of arrays that are older."""
        with self._alone():
            os.ftruncate(held, 0)
            files = sorted((one for one in self._files() if not one.held), key=lambda one: one.used_at)
            taken = sum(one.size for one in self._files())
            while files and taken + size > self.limit_bytes:
                taken -= files[0].size
                files.pop(0).path.unlink(missing_ok=True)
            if taken + size > self.limit_bytes:
                return False
            while not _allocate(held, size):
                if not files:
                    return False
                files.pop(0).path.unlink(missing_ok=True)
            return True

    def _make(
        self, held: int, digest: str, form: ArrayFormat, fill: Callable[[mmap.mmap], None]
    ) -> mmap.mmap:
        mapped = mmap.mmap(held, HEAD_BYTES + form.size)
        fill(mapped)
        write_head(mapped, form)
        pending = self.directory / f"{digest}{PENDING}"
        if _names(pending, held):
            # Not flushed: what a power cut leaves of it is no array, and is dropped.
            pending.replace(self.directory / digest)
        return mapped

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time makes room."""
        with (self.directory / LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _files(self) -> Iterator[_File]:
        try:
            paths = tuple(self.directory.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return
        for path in paths:
            with suppress(FileNotFoundError):
                if path.name != LOCK:
                    yield _File.at(path)


@dataclass(frozen=True)
class _File:
    """``held``: somebody computes it now."""

    path: Path
    size: int
    used_at: float
    held: bool

    @classmethod
    def at(cls, path: Path) -> _File:
        found = path.lstat()
        return cls(path, found.st_size, found.st_mtime, path.suffix == PENDING and _is_locked(path))


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _names(path: Path, descriptor: int) -> bool:
    """Whether the file is still the one of that name: its last holder has renamed or removed it otherwise."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextmanager
def _released(held: int, pending: Path) -> Iterator[None]:
    """Let go of the lock at the end, and of the file unless it was given its name."""
    try:
        yield
    finally:
        if _names(pending, held):
            pending.unlink()
        os.close(held)


def _allocate(descriptor: int, size: int) -> bool:
    """Take the room now: a page of a mapped file that finds none would end the process."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return False
        if isinstance(error, OSError) and error.errno not in UNSUPPORTED:
            raise
        os.ftruncate(descriptor, size)
    return True
