"""Progress and reports on a terminal, and as plain lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from cartl.client import TERMINAL, Client, Json, Tick
from cartl.http.patience import Patience
from cartl.http.problems import ClientError
from cartl.terminal.dashboard import Dashboard
from cartl.terminal.tables import ID_WIDTH, PLAIN_WIDTH
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
PLAIN_EVERY_SECONDS = 30.0
DRAWN_PER_SECOND = 4
STATE_WIDTH = max(map(len, STATE_STYLES))


class View(Protocol):
    """Something that shows a job at work."""

    def event(self, event: Json) -> None:
        """Show what happened."""

    def progress(self, job: Json) -> None:
        """Show where the job is now."""

    def away(self, seconds: float) -> None:
        """Show that the service has not answered for so long."""


class BarView:
    """A progress bar alone, for programs that wait."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("waiting for a worker", total=1.0, left="")

    def progress(self, job: Json) -> None:
        """Move the bar."""
        self._bar.update(
            self._task,
            completed=job.get("fraction") or 0.0,
            description=escape(printable(doing(job))),
            left=time_left(job),
        )


class PlainView:
    """Lines only: one when the stage changes, and one every half minute."""

    def __init__(self, console: Console, before: str = "") -> None:
        """``before`` stands before every line."""
        self._console = console
        self._before = before
        self._last = ("", 0.0)
        self._is_away = False

    def event(self, event: Json) -> None:
        """Print it, if it is anything to a person."""
        text = event_line(event)
        if text:
            self.line(text)

    def progress(self, job: Json) -> None:
        """Print it when the last such line is old, or said something else."""
        self.here_again()
        now = doing(job)
        said, at = self._last
        if job["state"] in TERMINAL or (now == said and time.monotonic() - at < PLAIN_EVERY_SECONDS):
            return
        self._last = (now, time.monotonic())
        left = time_left(job)
        done = f"[{percent(job['fraction'])}] " if job.get("fraction") is not None else ""
        self.line(f"{done}{now}" + (f", {left}" if left else ""))

    def away(self, seconds: float) -> None:
        """Say it once."""
        if not self._is_away:
            self._is_away = True
            self.line("the service does not answer; trying again")

    def here_again(self) -> None:
        """Say once that it is away no more."""
        if self._is_away:
            self._is_away = False
            self.line("the service answers again")

    def line(self, text: str) -> None:
        """Print a line."""
        text = self._before + text
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


class NoView:
    """Shows nothing."""

    def event(self, event: Json) -> None:
        """Nothing."""

    def progress(self, job: Json) -> None:
        """Nothing."""

    def away(self, seconds: float) -> None:
        """Nothing."""


@contextmanager
def bar_view(console: Console) -> Iterator[BarView]:
    """A bar; left, it is gone."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield BarView(bar)


@contextmanager
def view(console: Console) -> Iterator[View]:
    """The view that fits ``console``: a page that is drawn again, or lines; its last state stays."""
    if console.quiet:
        yield NoView()
    elif not console.is_terminal:
        yield PlainView(console)
    else:
        page = Dashboard()
        with Live(page, console=console, refresh_per_second=DRAWN_PER_SECOND) as live:
            page.draw = live.refresh
            yield page


def follow(client: Client, job_id: str, console: Console, tick: Tick = lambda: None) -> Json:
    """Show a job until it ends; returns it in its terminal state.

    A service that goes away, such as for a restart, is asked again after growing pauses, from the last event
    on. ``tick`` is called about once a second; what it raises ends the watching.

    Raises:
        ClientError: the service was never reached, refused, or was away for longer than
            ``patience.AWAY_SECONDS``.
    """
    after, patience = 0, Patience()
    with view(console) as shown:
        while True:
            tick()
            pause = POLL_SECONDS
            try:
                job = client.job(job_id)
                patience.reached()
                for event in client.past_events(job_id, after=after):
                    after = event["number"]
                    shown.event(event)
                shown.progress(job)
                if job["state"] in TERMINAL:
                    return job
            except ClientError as error:
                pause = patience.pause(error)
                shown.away(patience.away_seconds)
            time.sleep(pause)


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
