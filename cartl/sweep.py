"""Watching a sweep: how many of its jobs are where, until all have ended."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.status import Status

from cartl.client import TERMINAL, Client, Json
from cartl.http.patience import Patience
from cartl.http.problems import ClientError
from cartl.words import STATE_STYLES, percent

POLL_SECONDS = 2.0


def follow_sweep(client: Client, sweep_id: str, console: Console) -> Json:
    """Show a sweep until all its jobs have ended; returns it then.

    Raises:
        ClientError: the service was never reached, refused, or was away for longer than
            ``patience.AWAY_SECONDS``.
    """
    said, patience = "", Patience()
    with _status(console) as status:
        while True:
            pause = POLL_SECONDS
            try:
                sweep = client.sweep(sweep_id)
                patience.reached()
            except ClientError as error:
                pause = patience.pause(error)
            else:
                now = where(sweep)
                if status is not None:
                    status.update(f"{now}, {percent(sweep['fraction'])} done")
                elif now != said and not console.quiet:
                    console.print(now, markup=False, soft_wrap=True)
                said = now
                if all_ended(sweep):
                    return sweep
            time.sleep(pause)


def where(sweep: Json) -> str:
    """``sweep 0199...: 3 queued, 1 running``: how many of its jobs are in each state."""
    states = [f"{sweep['states'][state]} {state}" for state in STATE_STYLES if sweep["states"].get(state)]
    return f"sweep {sweep['id']}: {', '.join(states)}"


def all_ended(sweep: Json) -> bool:
    """Whether no job of it is left to run."""
    return not any(count for state, count in sweep["states"].items() if state not in TERMINAL)


def _status(console: Console) -> AbstractContextManager[Status | None]:
    return console.status("looking") if console.is_terminal and not console.quiet else nullcontext(None)
