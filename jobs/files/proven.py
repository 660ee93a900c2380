"""Files that are proven to be as they were written, by their SHA-256, before they are served or measured."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from cartl_core.storage.directory_store import DirectoryStore
from jobs.errors import ArtifactDamaged
from jobs.files.artifacts import file_gone, path_of
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.tables import Artifact

PROVEN_SECONDS = 60.0
PROVEN_FILES = 4096


class ProvenFiles:
    """Which files were found whole: each is read once a minute at most while nobody writes to it.

    A file that is written, even if its times are set back, has another ``ctime``; one that rots on the disk
    has not, hence the minute.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._proven: OrderedDict[tuple[Path, str], tuple[tuple[int, ...], float]] = OrderedDict()
        self._lock = threading.Lock()

    def holds(self, store: DirectoryStore, key: str, sha256: str) -> bool:
        """Whether the file of a key has this digest.

        Raises:
            OSError: it cannot be read.
        """
        path = store.local(key)
        asked, stamp = (path, sha256), _stamp(path)
        with self._lock:
            known = self._proven.get(asked)
        if known is not None and known[0] == stamp and self._clock() - known[1] < PROVEN_SECONDS:
            return True
        if not store.verify(key, sha256):
            return False
        with self._lock:
            self._proven[asked] = (stamp, self._clock())
            self._proven.move_to_end(asked)
            while len(self._proven) > PROVEN_FILES:
                self._proven.popitem(last=False)
        return True


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


PROVEN = ProvenFiles()
"""Of this process."""


def proven_path(settings: Settings, artifact: Artifact) -> Path:
    """The artifact's file, once it is proven to be the one that was written.

    Raises:
        ArtifactNotFound: as ``path_of`` does.
        ArtifactDamaged: its SHA-256 is another.
    """
    path = path_of(settings, artifact)
    try:
        whole = PROVEN.holds(artifact_store(settings), artifact.path, artifact.sha256)
    except OSError as error:
        raise file_gone(artifact) from error
    if not whole:
        raise ArtifactDamaged(
            f"{artifact.name} was damaged after it was written: its SHA-256 is another; "
            "a new job with the same specification makes it again",
            name=artifact.name,
        )
    return path
