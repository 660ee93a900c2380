"""The commands `watch` and `logs`, and following what another command has posted."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from cartl import exit_codes
from cartl.client import DEFAULT_URL, Client, Json
from cartl.commands.options import JobId, Key, Quiet, Url
from cartl.exit_codes import INTERRUPTED
from cartl.run_log import follow_log
from cartl.several import SeveralAsJson, follow_several, several_view
from cartl.show import follow, show_outcome, show_report
from cartl.sweep import follow_sweep
from cartl.terminal.completion import job_ids
from cartl.words import printable

LOG_LINES = 100


def watch(
    jobs: Annotated[
        list[str],
        typer.Argument(help="One job, or several.", metavar="ID...", autocompletion=job_ids()),
    ],
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Every event as a line of JSON; of several jobs each one that has moved."
        ),
    ] = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show jobs until they end; exits with 0 when all succeeded, 1 when one failed, 3 when cancelled.

    On a terminal it is one page that is drawn again, with the time left; in a pipe it is lines. Several jobs
    have a row each. A service that is restarted meanwhile is waited for.
    """
    job, *others = dict.fromkeys(jobs)
    with Client(url, key) as client:
        if others:
            watch_several_to_end(client, [job, *others], as_json=as_json, quiet=quiet)
        if as_json:
            try:
                for event in client.events(job):
                    typer.echo(json.dumps(event))
            except KeyboardInterrupt:
                _goes_on(job)
            exit_by(client.job(job))
        watch_to_end(client, job, quiet=quiet)


def watch_to_end(client: Client, job_id: str, *, quiet: bool = False) -> NoReturn:
    """Show a job until it ends, and exit as it did; Ctrl-C leaves it running."""
    console = Console(highlight=False, quiet=quiet)
    try:
        job = follow(client, job_id, console)
    except KeyboardInterrupt:
        _goes_on(job_id)
    show_outcome(job, console)
    exit_by(job)


def watch_several_to_end(client: Client, ids: list[str], *, as_json: bool, quiet: bool) -> NoReturn:
    """Show jobs until all have ended, and exit as they did."""
    console = Console(highlight=False, quiet=quiet)
    try:
        if as_json:
            jobs = follow_several(client, ids, SeveralAsJson(typer.echo))
        else:
            with several_view(console) as view:
                jobs = follow_several(client, ids, view)
    except KeyboardInterrupt:
        typer.echo(f"the jobs go on; `cartl watch {' '.join(ids)}` shows them again", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if not as_json:
        for job in jobs:
            show_outcome(job, console)
    raise typer.Exit(exit_codes.of_sweep(Counter(str(job["state"]) for job in jobs), len(jobs)))


def _goes_on(job_id: str) -> NoReturn:
    typer.echo(f"the job goes on; `cartl watch {job_id}` shows it again", err=True)
    raise typer.Exit(INTERRUPTED) from None


def watch_sweep_to_end(
    client: Client, sweep_id: str, *, as_json: bool = False, quiet: bool = False
) -> NoReturn:
    """Show a sweep until its jobs have ended and print its table; the exit code is 0 when all succeeded."""
    console = Console(highlight=False, quiet=quiet or as_json)
    try:
        ended = follow_sweep(client, sweep_id, console)
    except KeyboardInterrupt:
        typer.echo(f"the jobs go on; `cartl sweep {sweep_id}` shows them again", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps(ended, indent=2))
    elif not quiet:
        show_report(client.sweep_markdown(sweep_id), console)
    raise typer.Exit(exit_codes.of_sweep(ended["states"], ended["jobs"]))


def exit_by(job: Json) -> NoReturn:
    """Exit as the job ended: 0, 1 where it failed, 3 where it was cancelled."""
    raise typer.Exit(exit_codes.of_job(job["state"]))


def logs(
    job: JobId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Then what is added, until it ends.")
    ] = False,
    tail: Annotated[int, typer.Option(min=1, max=100_000, help="Lines from the end.")] = LOG_LINES,
    as_json: Annotated[bool, typer.Option("--json", help="Every line as a text in JSON.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Print the log of a job's run; with -f until the job ends, whatever its end."""
    with Client(url, key) as client:
        try:
            for line in follow_log(client, job, lines=tail, until_end=follow):
                typer.echo(json.dumps(line) if as_json else printable(line))
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
