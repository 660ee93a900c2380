"""Progress and reports on a terminal, and as plain lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from cartl.client import TERMINAL, Client, Json, Tick
from cartl.problems import ServiceUnreachable
from cartl.words import (
    STATE_STYLES,
    doing,
    duration,
    event_line,
    outcome,
    percent,
    printable,
    time_left,
)
from cartl_core.spec.visible_text import visible

POLL_SECONDS = 1.0
# A watched service may be away for this long, e.g. while it is restarted.
AWAY_SECONDS = 60.0
PLAIN_EVERY_SECONDS = 30.0
ID_WIDTH = 32
STATE_WIDTH = max(map(len, STATE_STYLES))
# Of a table that goes into a file or a pipe, which has no width of its own.
PLAIN_WIDTH = 200


class View(Protocol):
    """Something that shows a job at work."""

    def line(self, text: str) -> None:
        """Show a line that stays."""

    def progress(self, job: Json) -> None:
        """Show where the job is now."""


class LiveView:
    """A progress bar at the bottom, lines above it."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("waiting for a worker", total=1.0, left="")

    def line(self, text: str) -> None:
        """Print above the bar."""
        self._bar.console.print(text, markup=False, highlight=False)

    def progress(self, job: Json) -> None:
        """Move the bar."""
        self._bar.update(
            self._task,
            completed=job.get("fraction") or 0.0,
            description=doing(job),
            left=time_left(job),
        )


class PlainView:
    """Lines only: one when the stage changes, and one every half minute."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ("", 0.0)

    def line(self, text: str) -> None:
        """Print it."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def progress(self, job: Json) -> None:
        """Print it when the last such line is old, or said something else."""
        now = doing(job)
        said, at = self._last
        if job["state"] in TERMINAL or (now == said and time.monotonic() - at < PLAIN_EVERY_SECONDS):
            return
        self._last = (now, time.monotonic())
        left = time_left(job)
        done = f"[{percent(job['fraction'])}] " if job.get("fraction") is not None else ""
        self.line(f"{done}{now}" + (f", {left}" if left else ""))


@contextmanager
def view(console: Console) -> Iterator[View]:
    """The view that fits ``console``; left, the bar is gone."""
    if not console.is_terminal:
        yield PlainView(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield LiveView(bar)


def follow(client: Client, job_id: str, console: Console, tick: Tick = lambda: None) -> Json:
    """Show a job until it ends; returns it in its terminal state.

    ``tick`` is called about once a second; what it raises ends the watching.

    Raises:
        ServiceUnreachable: the service was away for longer than a minute.
    """
    after, seen = 0, time.monotonic()
    with view(console) as shown:
        while True:
            tick()
            try:
                job = client.job(job_id)
                for event in client.past_events(job_id, after=after):
                    after = event["number"]
                    text = event_line(event)
                    if text:
                        shown.line(text)
                shown.progress(job)
                seen = time.monotonic()
            except ServiceUnreachable:
                if time.monotonic() - seen > AWAY_SECONDS:
                    raise
            else:
                if job["state"] in TERMINAL:
                    return job
            time.sleep(POLL_SECONDS)


def show_report(markdown: str, console: Console) -> None:
    """Formatted on a terminal, as it is elsewhere."""
    if console.is_terminal:
        console.print(Markdown(markdown))
    else:
        console.out(markdown, highlight=False)


def show_jobs(jobs: Iterable[Json], console: Console) -> None:
    """A table of jobs, newest first."""
    table = Table(box=None)
    table.add_column("id", no_wrap=True, min_width=ID_WIDTH)
    table.add_column("state", no_wrap=True, min_width=STATE_WIDTH)
    for heading in ("doing", "done", "left", "target", "method", "name"):
        table.add_column(heading)
    for job in jobs:
        spec = job.get("spec") or {}
        state = job["state"]
        cells = (
            doing(job) if state in ("queued", "running") else str(job.get("reason") or ""),
            percent(job.get("fraction")),
            duration(job.get("seconds_left")),
            _dataset(spec.get("dataset") or job.get("dataset")),
            str(spec.get("method") or job.get("method") or ""),
            visible(str(job.get("name") or "")),
        )
        # A name may look like markup.
        table.add_row(job["id"], Text(state, STATE_STYLES.get(state, "")), *map(Text, map(printable, cells)))
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    console.print(table)


def _dataset(told: object) -> str:
    """A data set's name, of a specification or of a row of a list."""
    return str(told.get("name") or "") if isinstance(told, dict) else str(told or "")


def show_outcome(job: Json, console: Console) -> None:
    """How a job ended."""
    console.print(outcome(job), style=STATE_STYLES.get(job["state"]), markup=False, soft_wrap=True)
