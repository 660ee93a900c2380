"""Commands about jobs that are there: `report`, `jobs`, `cancel` and `retry`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from cartl.client import DEFAULT_URL, Client
from cartl.commands.options import JobId, Key, Url
from cartl.show import show_jobs, show_report


def report(
    job: JobId,
    format: Annotated[str, typer.Option(help="markdown or json.")] = "markdown",  # noqa: A002
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Print a job's robustness report, as far as it is known."""
    if format not in ("markdown", "json"):
        raise typer.BadParameter("markdown or json", param_hint="--format")
    with Client(url, key) as client:
        if format == "json":
            typer.echo(json.dumps(client.robustness(job), indent=2))
        else:
            show_report(client.robustness_markdown(job), Console())


def jobs(
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List jobs, newest first."""
    with Client(url, key) as client:
        found = client.jobs(state=state, tag=tag)
        show_jobs((job for job, _ in zip(found, range(limit), strict=False)), Console())


def cancel(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Ask for the end of a job."""
    with Client(url, key) as client:
        answer = client.cancel(job)
        typer.echo(f"{answer['id']} {answer['state']}")


def retry(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Queue a failed or cancelled job again; it goes on from its checkpoints."""
    with Client(url, key) as client:
        answer = client.retry(job)
        typer.echo(f"{answer['id']} {answer['state']}")
