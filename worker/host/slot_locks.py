"""Which pool process has which slot: a lock on one byte of a file that they all inherit.

The system lets go of a lock when its process ends, however it does, so no slot is lost and none has two runs.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jobs.devices import Slot


class SlotLocks:
    """Made in the main process before it forks its pool.

    Locks belong to processes: within one process nothing is kept apart.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = tuple(slots)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  open as long as this process lives

    @contextmanager
    def taken(self) -> Iterator[Slot | None]:
        """The first slot that is free, for the length of the block; None when there is none."""
        slot = next((slot for slot in self.slots if self._take(slot)), None)
        try:
            yield slot
        finally:
            if slot is not None:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, slot.number)

    def _take(self, slot: Slot) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot.number)
        except (BlockingIOError, PermissionError):
            return False
        return True
