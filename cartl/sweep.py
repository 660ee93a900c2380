"""Watching a sweep: how many of its jobs are where, and how far those at work are, until all have ended."""

from __future__ import annotations

import time

from rich.console import Console

from cartl.client import TERMINAL, Client, Json
from cartl.http.patience import Patience
from cartl.http.problems import ClientError
from cartl.several import SeveralView, several_view
from cartl.words import STATE_STYLES, percent

POLL_SECONDS = 2.0


def follow_sweep(client: Client, sweep_id: str, console: Console) -> Json:
    """Show a sweep until all its jobs have ended; returns it then.

    Raises:
        ClientError: the service was never reached, refused, or was away for longer than
            ``patience.AWAY_SECONDS``.
    """
    patience = Patience()
    with several_view(console) as view:
        while True:
            pause = POLL_SECONDS
            try:
                sweep = client.sweep(sweep_id)
                patience.reached()
                _show(client, sweep, view, console)
                if all_ended(sweep):
                    return sweep
            except ClientError as error:
                pause = patience.pause(error)
                view.away(patience.away_seconds)
            time.sleep(pause)


def _show(client: Client, sweep: Json, view: SeveralView, console: Console) -> None:
    """How many are where, and the jobs at work; in a pipe a line only where that has changed."""
    at_work = sweep["states"].get("running") and not console.quiet
    jobs = list(client.jobs(sweep=sweep["id"], state="running")) if at_work else []
    done = f", {percent(sweep['fraction'])} done" if console.is_terminal else ""
    view.progress(where(sweep) + done, jobs)


def where(sweep: Json) -> str:
    """``sweep 0199...: 3 queued, 1 running``: how many of its jobs are in each state."""
    states = [f"{sweep['states'][state]} {state}" for state in STATE_STYLES if sweep["states"].get(state)]
    return f"sweep {sweep['id']}: {', '.join(states)}"


def all_ended(sweep: Json) -> bool:
    """Whether no job of it is left to run."""
    return not any(count for state, count in sweep["states"].items() if state not in TERMINAL)
