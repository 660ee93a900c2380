"""What processes beside a worker's main process have in common: they end when it says so, or has ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

from billiard.util import set_pdeathsig

from worker.host.identity import identity_of

PARENT = "WORKER_PROCESS"
"""Variable with the process id of the worker that starts a companion."""


def attach_to_worker() -> tuple[str, Callable[[], bool]]:
    """Tie this process to its parent, a worker: the worker's id, and what says whether to end.

    SIGTERM comes from the worker, or from the system when that has ended. A worker that ended before this
    process could tie itself to it sends none: its process id, which it has given in ``PARENT``, is no
    longer the parent's.
    """
    terminations: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        terminations.append(number)

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the worker says when
    set_pdeathsig(signal.SIGTERM)
    parent = int(os.environ.get(PARENT) or os.getppid())
    return identity_of(parent).worker_id, lambda: bool(terminations) or os.getppid() != parent
