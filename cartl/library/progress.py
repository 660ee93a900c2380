"""A bar while a job is waited for: in a terminal by rich, in a notebook by IPython, elsewhere none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from cartl.library.html import job_html
from cartl.library.values import Job
from cartl.show import bar_view

Show = Callable[[Job], None]


@contextmanager
def progress(wanted: bool, base_url: str, console: Console | None = None) -> Iterator[Show]:
    """What shows a job; left, the bar of a terminal is gone and that of a notebook says how it ended."""
    display = _display() if wanted else None
    if display is not None:
        yield _in_notebook(display, base_url)
        return
    console = console or Console()
    if not (wanted and console.is_terminal):
        yield lambda job: None
        return
    with bar_view(console) as shown:
        yield lambda job: shown.progress(job.model_dump())


def _display() -> Any:
    """IPython's ``display`` where the code runs in a notebook's kernel; None elsewhere.

    It is not imported for this: where it runs, it is there.
    """
    ipython: Any = sys.modules.get("IPython")
    if ipython is None:
        return None
    shell = ipython.get_ipython()
    return ipython.display.display if hasattr(shell, "kernel") else None


class _Html:
    """Something that a notebook shows."""

    def __init__(self, text: str) -> None:
        self._text = text

    def _repr_html_(self) -> str:
        return self._text


def _in_notebook(display: Any, base_url: str) -> Show:
    place: list[Any] = []

    def show(job: Job) -> None:
        now = _Html(job_html(job, base_url))
        if place:
            place[0].update(now)
        else:
            place.append(display(now, display_id=True))

    return show
