"""The command `watch`, and following what another command has posted."""

from __future__ import annotations

import json
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from cartl import exit_codes
from cartl.client import DEFAULT_URL, Client, Json
from cartl.commands.options import JobId, Key, Url
from cartl.exit_codes import INTERRUPTED
from cartl.show import follow, show_outcome, show_report
from cartl.sweep import follow_sweep


def watch(
    job: JobId,
    as_json: Annotated[bool, typer.Option("--json", help="Every event as a line of JSON.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show a job until it ends; exits with 0 when it succeeded, 1 when it failed, 3 when cancelled."""
    with Client(url, key) as client:
        if as_json:
            for event in client.events(job):
                typer.echo(json.dumps(event))
            exit_by(client.job(job))
        watch_to_end(client, job)


def watch_to_end(client: Client, job_id: str) -> NoReturn:
    """Show a job until it ends, and exit as it did; Ctrl-C leaves it running."""
    console = Console(highlight=False)
    try:
        job = follow(client, job_id, console)
    except KeyboardInterrupt:
        typer.echo(f"the job goes on; `cartl watch {job_id}` shows it again", err=True)
        raise typer.Exit(INTERRUPTED) from None
    show_outcome(job, console)
    exit_by(job)


def watch_sweep_to_end(client: Client, sweep_id: str) -> NoReturn:
    """Show a sweep until its jobs have ended and print its table; the exit code is 0 when all succeeded."""
    console = Console(highlight=False)
    try:
        ended = follow_sweep(client, sweep_id, console)
    except KeyboardInterrupt:
        typer.echo(f"the jobs go on; `cartl sweep {sweep_id}` shows them again", err=True)
        raise typer.Exit(INTERRUPTED) from None
    show_report(client.sweep_markdown(sweep_id), console)
    raise typer.Exit(exit_codes.of_sweep(ended["states"], ended["jobs"]))


def exit_by(job: Json) -> NoReturn:
    """Exit as the job ended: 0, 1 where it failed, 3 where it was cancelled."""
    raise typer.Exit(exit_codes.of_job(job["state"]))
