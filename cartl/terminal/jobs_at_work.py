"""Several jobs at work on a terminal: one table that is drawn again, a row each, with the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table

from cartl.client import TERMINAL, Json
from cartl.terminal.tables import safe
from cartl.words import STATE_STYLES, doing, duration, percent, time_left

ROOM_FOR_REST = 4
"""Lines of a terminal that are no job."""
LEAST_ROWS = 3


def name_of(job: Json) -> str:
    """What a person calls it."""
    return str(job.get("name") or job["id"])


class JobsAtWork:
    """What is known of several jobs.

    Attributes:
        draw: called when there is something new to see.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.draw: Callable[[], None] = lambda: None
        self._clock = clock
        self._head = "looking"
        self._jobs: Sequence[Json] = ()
        self._seen = clock()
        self._away: float | None = None

    def progress(self, head: str, jobs: Sequence[Json]) -> None:
        """Take where all are now, and where each of ``jobs`` is."""
        self._head, self._jobs, self._seen, self._away = head, jobs, self._clock(), None
        self.draw()

    def away(self, seconds: float) -> None:
        """The service has not answered for so long."""
        self._away = seconds
        self.draw()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        head = safe(self._head, "bold")
        if self._away is not None:
            head.append(f"  (the service has been away for {duration(self._away)}; trying again)", "yellow")
        room = max(LEAST_ROWS, console.height - ROOM_FOR_REST)
        # Those at work first: they are what moves.
        jobs = sorted(self._jobs, key=lambda job: job["state"] != "running")
        hidden = len(jobs) - room
        rest = [safe(f"and {hidden} more", "dim")] if hidden > 0 else []
        yield Group(head, self._table(jobs[:room]), *rest)

    def _table(self, jobs: Sequence[Json]) -> Table:
        table = Table(box=None, show_header=False)
        for job in jobs:
            state = str(job["state"])
            cells = (name_of(job), doing(job), percent(job.get("fraction")), self._left(job))
            table.add_row(*(safe(cell, STATE_STYLES.get(state, "")) for cell in cells))
        return table

    def _left(self, job: Json) -> str:
        left = job.get("seconds_left")
        if job["state"] in TERMINAL:
            return ""
        if left is not None and self._away is None:
            left = max(left - (self._clock() - self._seen), 0.0)
        return time_left({**job, "seconds_left": left})
