"""Watching several jobs until all have ended: as a table, as lines, or as JSON."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live

from cartl.client import TERMINAL, Client, Json
from cartl.http.patience import Patience
from cartl.http.problems import ClientError
from cartl.show import DRAWN_PER_SECOND, PlainView
from cartl.terminal.jobs_at_work import JobsAtWork, name_of
from cartl.words import STATE_STYLES

POLL_SECONDS = 2.0


class SeveralView(Protocol):
    """Something that shows several jobs at work."""

    def progress(self, head: str, jobs: Sequence[Json]) -> None:
        """Show where all are, and where each of ``jobs`` is."""

    def away(self, seconds: float) -> None:
        """Show that the service has not answered for so long."""


class SeveralLines:
    """Lines: of each job one when its stage changes and one every half minute."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._heads = PlainView(console)
        self._head = ""
        self._views: dict[str, PlainView] = {}

    def progress(self, head: str, jobs: Sequence[Json]) -> None:
        """Print what is new."""
        self._heads.here_again()
        if head != self._head:
            self._head = head
            self._heads.line(head)
        for job in jobs:
            found = self._views.setdefault(
                str(job["id"]), PlainView(self._console, before=f"{name_of(job)}: ")
            )
            found.progress(job)

    def away(self, seconds: float) -> None:
        """Say it once."""
        self._heads.away(seconds)


class SeveralAsJson:
    """A line of JSON for each job that is in another state, or farther, than before."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._said: dict[str, tuple[object, object]] = {}

    def progress(self, head: str, jobs: Sequence[Json]) -> None:
        """Write those that have changed."""
        for job in jobs:
            now = (job["state"], job.get("fraction"))
            if self._said.get(str(job["id"])) != now:
                self._said[str(job["id"])] = now
                self._write(json.dumps(job))

    def away(self, seconds: float) -> None:
        """Nothing: it is no answer."""


class NoSeveral:
    """Shows nothing."""

    def progress(self, head: str, jobs: Sequence[Json]) -> None:
        """Nothing."""

    def away(self, seconds: float) -> None:
        """Nothing."""


@contextmanager
def several_view(console: Console) -> Iterator[SeveralView]:
    """The view that fits ``console``; its last state stays."""
    if console.quiet:
        yield NoSeveral()
    elif not console.is_terminal:
        yield SeveralLines(console)
    else:
        page = JobsAtWork()
        with Live(page, console=console, refresh_per_second=DRAWN_PER_SECOND) as live:
            page.draw = live.refresh
            yield page


def follow_several(client: Client, ids: Sequence[str], view: SeveralView) -> list[Json]:
    """Show these jobs until all have ended; returns them then, in their order.

    Raises:
        ClientError: as ``cartl.show.follow``.
    """
    jobs: dict[str, Json] = {}
    patience = Patience()
    while True:
        pause = POLL_SECONDS
        try:
            for one in ids:
                if one not in jobs or jobs[one]["state"] not in TERMINAL:
                    jobs[one] = client.job(one)
                    patience.reached()
            found = [jobs[one] for one in ids]
            view.progress(states_of(found), found)
            if all(job["state"] in TERMINAL for job in found):
                return found
        except ClientError as error:
            pause = patience.pause(error)
            view.away(patience.away_seconds)
        time.sleep(pause)


def states_of(jobs: Sequence[Json]) -> str:
    """``3 jobs: 1 queued, 2 running``."""
    counts = Counter(str(job["state"]) for job in jobs)
    known = (f"{counts[state]} {state}" for state in STATE_STYLES if counts[state])
    return f"{len(jobs)} jobs: {', '.join(known)}"
