"""A job at work on a terminal: one page that is drawn again, instead of lines that scroll away."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cartl.client import TERMINAL, Json
from cartl.terminal.tables import safe
from cartl.words import STATE_STYLES, doing, duration, event_line, percent, time_left

MOST_STAGES = 30
"""Older ones are dropped: a job of ``auto`` has many."""
ROOM_FOR_REST = 8
"""Lines of a terminal that are no stage and no news."""
LEAST_NEWS, MOST_NEWS = 3, 10
FIGURES = ("loss", "clean_accuracy", "robust_accuracy")
BAR_WIDTH = 40


@dataclass(frozen=True)
class StageRow:
    """A stage: how it stands, how far it is, and its last figures."""

    label: str
    state: str
    how_far: str = ""
    figures: str = ""


class Dashboard:
    """What is known of a job: its stages as a timeline, a bar, the time left, the last news.

    Attributes:
        draw: called when there is something new to see.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.draw: Callable[[], None] = lambda: None
        self._clock = clock
        self._stages: dict[str, StageRow] = {}
        self._news: deque[str] = deque(maxlen=MOST_NEWS)
        self._job: Json | None = None
        self._seen = clock()
        self._away: float | None = None

    def event(self, event: Json) -> None:
        """Take what happened."""
        body = event.get("body")
        change = CHANGES.get(str(event.get("type")))
        if change is None or not isinstance(body, dict) or not isinstance(body.get("label"), str):
            text = event_line(event)
            if text:
                self._news.append(text)
            return
        label = body["label"]
        row = self._stages.get(label, StageRow(label, "waits"))
        try:
            self._stages[label] = change(row, body)
        except (LookupError, TypeError, ValueError, AttributeError):
            return  # an event as another version tells it
        while len(self._stages) > MOST_STAGES:
            del self._stages[next(iter(self._stages))]

    def progress(self, job: Json) -> None:
        """Take where the job is now."""
        self._job, self._seen, self._away = job, self._clock(), None
        self.draw()

    def away(self, seconds: float) -> None:
        """The service has not answered for so long."""
        self._away = seconds
        self.draw()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        news = max(LEAST_NEWS, min(MOST_NEWS, console.height - len(self._stages) - ROOM_FOR_REST))
        parts: list[Any] = [self._head()]
        if self._stages:
            parts.append(self._timeline())
        if self._job is not None:
            parts.append(self._bar(self._job))
        parts += [safe(text, "dim") for text in list(self._news)[-news:]]
        yield Group(*parts)

    def _head(self) -> Text:
        if self._job is None:
            return safe("looking")
        state = str(self._job["state"])
        name = self._job.get("name") or self._job["id"]
        head = safe(f"{name}: {doing(self._job)}", f"bold {STATE_STYLES.get(state, '')}".strip())
        if self._away is not None:
            head.append(f"  (the service has been away for {duration(self._away)}; trying again)", "yellow")
        return head

    def _timeline(self) -> Table:
        table = Table(box=None, show_header=False)
        for row in self._stages.values():
            style = "cyan" if row.state == "at work" else ""
            table.add_row(*(safe(cell, style) for cell in (row.state, row.label, row.how_far, row.figures)))
        return table

    def _bar(self, job: Json) -> Table:
        fraction = min(max(job.get("fraction") or 0.0, 0.0), 1.0)
        left = job.get("seconds_left")
        if left is not None and self._away is None:
            left = max(left - (self._clock() - self._seen), 0.0)
        row = Table.grid(padding=(0, 1))
        told = "" if job["state"] in TERMINAL else time_left({**job, "seconds_left": left})
        row.add_row(ProgressBar(total=1.0, completed=fraction, width=BAR_WIDTH), percent(fraction), told)
        return row


def _started(row: StageRow, body: Json) -> StageRow:
    resumed = body.get("resumed_at")
    return replace(row, state="at work", how_far=f"goes on at {percent(resumed)}" if resumed else "")


def _epoch(row: StageRow, body: Json) -> StageRow:
    metrics = body["metrics"]
    told = [f"{name.replace('_', ' ')} {metrics[name]:.3f}" for name in FIGURES if name in metrics]
    return replace(
        row, state="at work", how_far=f"epoch {body['epoch']} of {body['epochs']}", figures=", ".join(told)
    )


def _finished(row: StageRow, body: Json) -> StageRow:
    reused = bool(body.get("reused"))
    how = "from an earlier run" if reused else f"in {duration(body['seconds'])}"
    return replace(row, state="reused" if reused else "done", how_far=how)


CHANGES: dict[str, Callable[[StageRow, Json], StageRow]] = {
    "stage_started": _started,
    "epoch_finished": _epoch,
    "stage_finished": _finished,
}
"""What events change in the row of their stage."""
