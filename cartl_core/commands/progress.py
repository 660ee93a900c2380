"""Where a command's events go, and the signals that stop it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cartl_core.events import Reporter
from cartl_core.run.console import Console
from cartl_core.run.supervised import JsonLines
from cartl_core.storage.stop_flag import StopFlag


@contextmanager
def stopped_by_signals(stop: StopFlag) -> Iterator[None]:
    """Within: an interrupt or a termination asks the run to checkpoint and stop."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.request("interrupted")) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _json_lines() -> Reporter:
    return JsonLines(sys.stdout)


def _silent() -> Reporter:
    return lambda event: None


REPORTERS: dict[str, Callable[[], Reporter]] = {"jsonl": _json_lines, "human": Console, "none": _silent}
