"""Events between the child, which must not wait, and the database, which may be away for a minute."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from cartl_core.events import Event, Progress

CAPACITY = 10_000
PROGRESS_SECONDS = 1.0


class EventBuffer:
    """A bounded queue in which only the newest ``Progress`` is kept, handed out once a second at most.

    A ``Progress`` that is still held when another event comes goes out before that event, so the
    order of what is written is the order in which it was reported.
    """

    def __init__(
        self,
        *,
        capacity: int = CAPACITY,
        pause: float = PROGRESS_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._capacity = capacity
        self._pause = pause
        self._clock = clock
        self._events: deque[Event] = deque()
        self._progress: Progress | None = None
        self._progress_at = float("-inf")
        self._closed = False
        self._changed = threading.Condition()

    def put(self, event: Event) -> None:
        """Add an event; waits while the buffer is full, and drops the event once it is closed."""
        with self._changed:
            if isinstance(event, Progress):
                self._progress = event
            else:
                self._changed.wait_for(lambda: self._closed or len(self._events) < self._capacity)
                if self._closed:
                    return
                self._settle_progress()
                self._events.append(event)
            self._changed.notify_all()

    def get(self) -> Event | None:
        """Wait for the next event; None once the buffer is closed and empty."""
        with self._changed:
            while True:
                if self._events:
                    event = self._events.popleft()
                    self._changed.notify_all()
                    return event
                if self._progress is not None and (self._closed or self._due_in() <= 0):
                    self._settle_progress()
                    continue
                if self._closed:
                    return None
                self._changed.wait(self._due_in() if self._progress is not None else None)

    def close(self) -> None:
        """Nothing follows; what is buffered can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _due_in(self) -> float:
        return self._progress_at + self._pause - self._clock()

    def _settle_progress(self) -> None:
        if self._progress is not None:
            self._events.append(self._progress)
            self._progress = None
            self._progress_at = self._clock()
