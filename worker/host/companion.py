"""What processes beside a worker's main process have in common: they end when it says so, or has ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

from billiard.util import set_pdeathsig

from worker.host.identity import identity_of


def attach_to_worker() -> tuple[str, Callable[[], bool]]:
    """Tie this process to its parent, a worker: the worker's id, and what says whether to end.

    SIGTERM comes from the worker, or from the system when that has ended.
    """
    terminations: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        terminations.append(number)

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the worker says when
    set_pdeathsig(signal.SIGTERM)
    parent = os.getppid()
    return identity_of(parent).worker_id, lambda: bool(terminations) or os.getppid() != parent
