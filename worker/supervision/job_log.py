"""A job's log: what its process writes to stderr, with a cap on the size.

The beginning is kept as it comes. What would exceed the cap is held back as a short tail, written
when the log is closed: the end is where a crash explains itself.
"""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from types import TracebackType

HEAD_BYTES = 8 * 1024 * 1024
TAIL_BYTES = 64 * 1024


class JobLog:
    """An append-only file of at most ``head_bytes + tail_bytes`` and one line that tells of the gap.

    A disk that is full costs lines, never the run: what cannot be written now is held back like the rest.
    """

    def __init__(self, path: Path, *, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._room = max(head_bytes - self._file.tell(), 0)
        self._tail: deque[bytes] = deque()
        self._tail_bytes = tail_bytes
        self._held = 0
        self._dropped = 0
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        """Append a line of any length."""
        with self._lock:
            if self._file.closed:
                return
            if len(line) > self._room or self._held or not self._put(line):
                self._hold(line[-self._tail_bytes :])

    def note(self, text: str) -> None:
        """Append a line of the supervisor's own."""
        self.write(f"-- {text}\n".encode())

    def close(self) -> None:
        """Write what was held back, and close the file."""
        with self._lock:
            if self._dropped:
                self._put(f"-- {self._dropped} bytes left out\n".encode())
            for line in self._tail:
                self._put(line)
            self._tail.clear()
            self._file.close()

    def _put(self, line: bytes) -> bool:
        """Write a line; False when the file system does not take it."""
        try:
            self._file.write(line)
        except OSError:
            return False
        self._room -= len(line)
        return True

    def _hold(self, line: bytes) -> None:
        self._tail.append(line)
        self._held += len(line)
        while self._held > self._tail_bytes and len(self._tail) > 1:
            gone = self._tail.popleft()
            self._held -= len(gone)
            self._dropped += len(gone)

    def __enter__(self) -> JobLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
