"""Files that are proven to be as they were written, by their SHA-256, before they are served or measured."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from cartl_core.storage.bucket import StoreUnavailable
from cartl_core.storage.s3_store import S3Store
from jobs.errors import ArtifactDamaged
from jobs.files.artifacts import artifact_file, file_gone
from jobs.files.kept_file import KeptFile
from jobs.files.stores import FileStore
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
        self._proven: OrderedDict[tuple[FileStore, str, str], tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def holds(self, store: FileStore, key: str, sha256: str) -> bool:
        """Whether the file of a key has this digest.

        One in a bucket is not read for it: it was kept under a digest, and is compared with that as it is
        read.

        Raises:
            OSError: it cannot be read.
        """
        if isinstance(store, S3Store):
            return store.recorded(key).sha256 == sha256
        asked, stamp = (store, key, sha256), store.stamp(key)
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


PROVEN = ProvenFiles()
"""Of this process."""


def proven_file(settings: Settings, artifact: Artifact) -> KeptFile:
    """The artifact's file, once it is proven to be the one that was written.

    Raises:
        ArtifactNotFound: as ``artifact_file`` does.
        ArtifactDamaged: its SHA-256 is another.
    """
    file = artifact_file(settings, artifact)
    try:
        whole = PROVEN.holds(file.store, artifact.path, artifact.sha256)
    except StoreUnavailable:
        raise
    except OSError as error:
        raise file_gone(artifact) from error
    if not whole:
        raise ArtifactDamaged(
            f"{artifact.name} was damaged after it was written: its SHA-256 is another; "
            "a new job with the same specification makes it again",
            name=artifact.name,
        )
    return file
