"""Completion of job ids in a shell: from the service, and nothing where it does not answer at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any

import typer

from cartl.client import DEFAULT_URL, Client
from cartl.http.address import ID

SECONDS = 1.0
"""As long as somebody who has pressed the tab key is kept waiting."""
MOST = 100
"""The newest jobs are offered."""

Found = list[tuple[str, str]]
"""Ids, each with a word about it, which some shells show."""


def job_ids(*states: str) -> Callable[[typer.Context, str], Found]:
    """What completes the id of a job in one of ``states``; of any job where none is named."""

    def complete(ctx: typer.Context, incomplete: str) -> Found:
        typed = set(_typed(ctx.params))
        return [
            (job, state)
            for job, state in newest_jobs(_asked("url", ctx) or DEFAULT_URL, _asked("key", ctx))
            if (not states or state in states) and job.startswith(incomplete) and job not in typed
        ]

    return complete


def newest_jobs(url: str, key: str | None) -> Found:
    """The newest jobs and their states; none after ``SECONDS``, or where anything goes wrong."""
    told: SimpleQueue[Found] = SimpleQueue()

    def ask() -> None:
        try:
            with Client(url, key) as client:
                rows = list(islice(client.jobs(), MOST))
            told.put([(row["id"], row["state"]) for row in rows if _is_id(row.get("id"))])
        except Exception:  # noqa: BLE001 - a shell has no place for an error here
            told.put([])

    # What hangs is left behind: the process ends with its answer.
    threading.Thread(target=ask, name="completion", daemon=True).start()
    try:
        return told.get(timeout=SECONDS)
    except Empty:
        return []


def _is_id(told: object) -> bool:
    return isinstance(told, str) and ID.fullmatch(told) is not None


def _asked(option: str, context: typer.Context) -> str | None:
    """An option as it was typed, else as the environment has it."""
    return context.params.get(option) or os.environ.get(f"CARTL_{option.upper()}") or None


def _typed(params: dict[str, Any]) -> list[str]:
    """Jobs that stand in the line already."""
    return [one for value in params.values() if isinstance(value, list | tuple) for one in map(str, value)]
