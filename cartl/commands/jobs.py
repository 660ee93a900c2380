"""Commands about jobs that are there: `jobs`, `show`, `cancel`, `retry`, `priority` and `delete`."""

from __future__ import annotations

from typing import Annotated

import typer

from cartl.client import DEFAULT_URL, Client, Json
from cartl.commands.agreement import ask
from cartl.commands.options import AsJson, JobId, JobThatEnded, JobUnderWay, Key, Quiet, Url, Yes
from cartl.show import show_jobs
from cartl.terminal.completion import job_ids
from cartl.terminal.job_page import show_job
from cartl.terminal.output import Output
from cartl_core.spec.request import HIGHEST_PRIORITY, LOWEST_PRIORITY


def jobs(
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only those on this data set.")] = None,
    method: Annotated[str | None, typer.Option(help="Only those of this method.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List jobs, newest first."""
    with Client(url, key) as client:
        listed = client.jobs(state=state, dataset=dataset, method=method, tag=tag)
        found = [job for job, _ in zip(listed, range(limit), strict=False)]
    Output(as_json, quiet).answer(
        found, lambda console: show_jobs(found, console), (str(job["id"]) for job in found)
    )


def show(
    job: JobId, as_json: AsJson = False, quiet: Quiet = False, url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """Show a job: where it is, why it waits, what it runs, what it costs, its files."""
    with Client(url, key) as client:
        found = client.job(job)
        files = [] if as_json or quiet else client.artifacts(job)
    Output(as_json, quiet).answer(
        found, lambda console: show_job(found, files, console), [str(found["state"])]
    )


def cancel(
    job: JobUnderWay, as_json: AsJson = False, quiet: Quiet = False, url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """Ask for the end of a job."""
    with Client(url, key) as client:
        _tell_state(client.cancel(job), Output(as_json, quiet))


def retry(
    job: JobThatEnded, as_json: AsJson = False, quiet: Quiet = False, url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """Queue a failed or cancelled job again; it goes on from its checkpoints."""
    with Client(url, key) as client:
        _tell_state(client.retry(job), Output(as_json, quiet))


def priority(
    job: JobUnderWay,
    priority: Annotated[
        int,
        typer.Argument(
            help="Higher goes first; 0 is the usual.",
            metavar=f"{LOWEST_PRIORITY}..{HIGHEST_PRIORITY}",
            min=LOWEST_PRIORITY,
            max=HIGHEST_PRIORITY,
        ),
    ],
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Let a job of yours that waits go before your others, or behind them."""
    with Client(url, key) as client:
        answer = client.set_priority(job, priority)
    Output(as_json, quiet).line(answer, f"{answer['id']} priority {answer.get('priority', priority)}")


def delete(
    jobs: Annotated[
        list[str],
        typer.Argument(
            help="Jobs that have ended.",
            metavar="ID...",
            autocompletion=job_ids("succeeded", "failed", "cancelled"),
        ),
    ],
    yes: Yes = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Delete jobs that have ended, with their reports and files; asks first."""
    output = Output(as_json, quiet)
    counted = "this job" if len(jobs) == 1 else f"these {len(jobs)} jobs"
    with Client(url, key) as client:
        ask(f"Delete {counted} for good?", "nothing was deleted", output, yes=yes)
        for job in jobs:
            client.delete(job)
            if not (as_json or quiet):
                output.line(None, f"deleted {job}")
    if as_json:
        output.answer({"deleted": jobs}, lambda console: None)


def _tell_state(answer: Json, output: Output) -> None:
    output.line(answer, f"{answer['id']} {answer['state']}")
