"""A log that a flood cannot fill: so many records of a kind a minute, and how many were left out."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_SECONDS = 60.0
MOST_RECORDS = 60
"""Of one kind in a window."""
MOST_TRACES = 5
"""Of one kind with a trace, which is a hundred lines."""
MOST_KINDS = 1000


@dataclass
class _Kind:
    since: float
    written: int = 0
    left_out: int = 0


class Throttle(logging.Filter):
    """For a handler. Of one kind are records that share logger, level, message (without values) and error."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: OrderedDict[tuple[object, ...], _Kind] = OrderedDict()
        self._guard = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write ``record``; the first of a new window says what was left out of the last one."""
        error = record.exc_info[0] if record.exc_info else None
        most = MOST_TRACES if error else MOST_RECORDS
        now = self._clock()
        with self._guard:
            kind = self._kind((record.name, record.levelno, str(record.msg)[:200], error), now)
            left_out = 0
            if now - kind.since >= WINDOW_SECONDS:
                left_out = kind.left_out
                kind.since, kind.written, kind.left_out = now, 0, 0
            if kind.written >= most:
                kind.left_out += 1
                return False
            kind.written += 1
        if left_out:
            record.msg = f"{record.getMessage()} ({left_out} more like it were left out)"
            record.args = ()
        return True

    def _kind(self, key: tuple[object, ...], now: float) -> _Kind:
        kind = self._kinds.pop(key, None) or _Kind(since=now)
        self._kinds[key] = kind
        if len(self._kinds) > MOST_KINDS:
            self._kinds.popitem(last=False)
        return kind
