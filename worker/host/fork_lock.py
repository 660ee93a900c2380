"""A fork copies this thread alone, and whatever the others hold at that moment as if it were its own.

A pool process that was forked while the maintenance thread wrote to SQLite would find the database locked for
as long as it lives: SQLite keeps its locks in the process's memory as well. So that thread works in
``no_fork``, with no connection open outside of it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_forking = threading.RLock()
os.register_at_fork(
    before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_forking.release
)


@contextmanager
def no_fork() -> Iterator[None]:
    """Whoever forks meanwhile, in another thread, waits."""
    with _forking:
        yield
