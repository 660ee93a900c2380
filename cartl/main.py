"""The command `cartl`: start the service, submit jobs, watch them, read their reports."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from cartl import demo as demonstration
from cartl import request as asked
from cartl.client import DEFAULT_URL, Client, Json
from cartl.problems import ClientError
from cartl.processes import StartError
from cartl.show import follow, show_jobs, show_outcome, show_report
from cartl.sweep import follow_sweep
from cartl.up import Service, Settings, free_port

app = typer.Typer(
    help="Move a robust network to new data without losing its robustness, and measure it honestly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

INTERRUPTED = 130

Url = Annotated[str, typer.Option(envvar="CARTL_URL", help="Where the service answers.")]
Key = Annotated[str | None, typer.Option(envvar="CARTL_KEY", help="API key, where one is needed.")]
JobId = Annotated[str, typer.Argument(help="The job's id.", metavar="ID")]
DataDir = Annotated[
    Path, typer.Option(envvar="CARTL_DATA_DIR", help="Holds everything: database, teachers, reports.")
]

DATA_DIR = Path(".cartl")
EXAMPLE = '{"dataset": "fashion_mnist", "freeze_depth": 2}'


@app.command()
def up(
    host: Annotated[
        str, typer.Option(help="Address to listen on; others need an API key first.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8000,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Start the service and leave it running; Ctrl-C ends it cleanly."""
    settings = Settings(data_dir.absolute(), host, port or free_port())
    console = Console(highlight=False)
    try:
        with Service(settings) as service:
            for line in _welcome(settings):
                console.print(line, markup=False, soft_wrap=True)
            service.watch()
    except KeyboardInterrupt:
        console.print("stopped")


def _welcome(settings: Settings) -> tuple[str, ...]:
    return (
        f"The service is up: {settings.url} (its documentation: {settings.url}/docs)",
        f"Everything is kept in {settings.data_dir}; logs are in {settings.logs}",
        "Try:",
        f"  curl -s {settings.url}/jobs -H 'Content-Type: application/json' -d '{EXAMPLE}'",
        f"  curl -s -H 'Accept: text/markdown' {settings.url}/jobs/ID/robustness",
        "Ctrl-C ends it.",
    )


@app.command()
def demo(
    data_dir: DataDir = DATA_DIR,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the service running after the report.")] = False,
    key: Key = None,
) -> None:
    """Start the service, run consistent tuning beside plain transfer and CARTL, print the report, stop."""
    settings = Settings(data_dir.absolute(), port=free_port())
    try:
        code = demonstration.run(settings, Console(highlight=False), key=key, keep=keep)
    except KeyboardInterrupt:
        typer.echo("interrupted; `cartl demo` goes on from here", err=True)
        code = INTERRUPTED
    raise typer.Exit(code)


@app.command()
def submit(
    spec: Annotated[Path | None, typer.Argument(help="A request as JSON.", metavar="[SPEC.json]")] = None,
    dataset: Annotated[str | None, typer.Option(help="The target: NAME, or NAME:0,1,2 for classes.")] = None,
    freeze_depth: Annotated[
        str | None, typer.Option(help="Leading blocks frozen, or auto.", metavar="NUMBER|auto")
    ] = None,
    source: Annotated[str | None, typer.Option(help="What the teacher learns from.")] = None,
    model: Annotated[str | None, typer.Option(help="E.g. wrn-28-4, resnet18.")] = None,
    method: Annotated[str | None, typer.Option(help="E.g. cartl, vanilla or auto.")] = None,
    preset: Annotated[str | None, typer.Option(help="smoke, quick or paper.")] = None,
    baseline: Annotated[list[str] | None, typer.Option(help="A method beside it; repeatable.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    name: Annotated[str | None, typer.Option(help="For you.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="For filters; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would become.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Then show it until it ends.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Post a job: SPEC.json, or --dataset and --freeze-depth; options win over the file."""
    request = asked.build(
        spec,
        {
            "dataset": asked.data(dataset) if dataset else None,
            "freeze_depth": asked.depth(freeze_depth) if freeze_depth else None,
            "source": asked.data(source) if source else None,
            "model": model,
            "method": method,
            "preset": preset,
            "baselines": baseline,
            "seed": seed,
            "name": name,
            "tags": tag,
        },
    )
    with Client(url, key) as client:
        answer = client.submit(request, dry_run=dry_run)
        if dry_run:
            typer.echo(json.dumps(answer, indent=2))
            return
        typer.echo(answer["id"])
        if watch:
            _watch(client, answer["id"])


@app.command()
def evaluate(
    network: Annotated[
        str,
        typer.Argument(help="A job whose student is measured, or a file to upload.", metavar="ID|FILE"),
    ],
    dataset: Annotated[str, typer.Option(help="What it is measured on: NAME, or NAME:0,1,2 for classes.")],
    attacks: Annotated[str | None, typer.Option(help="An evaluation by name, e.g. quick or pgd100.")] = None,
    preset: Annotated[str | None, typer.Option(help="smoke, quick or paper.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    name: Annotated[str | None, typer.Option(help="For you.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="For filters; repeatable.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Then show it until it ends.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Post a job that trains nothing: a student of an earlier one, or a network's file, is measured."""
    file = Path(network)
    request = asked.build(
        None,
        {
            "kind": "evaluate",
            "network": {} if file.is_file() else {"job": network},
            "dataset": asked.data(dataset),
            "evaluate": {"preset": attacks} if attacks else None,
            "preset": preset,
            "seed": seed,
            "name": name,
            "tags": tag,
        },
    )
    with Client(url, key) as client:
        if file.is_file():
            request["network"] = {"upload": client.upload(file)["id"]}
        answer = client.submit(request)
        typer.echo(answer["id"])
        if watch:
            _watch(client, answer["id"])


@app.command()
def sweep(
    sweep: Annotated[
        str, typer.Argument(help="A request as JSON, or the id of a sweep to show again.", metavar="FILE|ID")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count and estimate its jobs.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Print the id; do not wait for the end.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Compare settings: post a sweep, show its jobs until all have ended, print the table.

    The exit code is 0 when every job succeeded.
    """
    file = Path(sweep)
    with Client(url, key) as client:
        if dry_run:
            typer.echo(json.dumps(client.submit_sweep(asked.read(file), dry_run=True), indent=2))
            return
        sweep_id = client.submit_sweep(asked.read(file))["id"] if file.is_file() else sweep
        if detach:
            typer.echo(sweep_id)
            return
        _watch_sweep(client, sweep_id)


@app.command(name="watch")
def watch_job(
    job: JobId,
    as_json: Annotated[bool, typer.Option("--json", help="Every event as a line of JSON.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show a job until it ends; the exit code is 0 when it succeeded."""
    with Client(url, key) as client:
        if as_json:
            for event in client.events(job):
                typer.echo(json.dumps(event))
            _exit_by(client.job(job))
        _watch(client, job)


@app.command()
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


@app.command()
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


@app.command()
def cancel(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Ask for the end of a job."""
    with Client(url, key) as client:
        answer = client.cancel(job)
        typer.echo(f"{answer['id']} {answer['state']}")


@app.command()
def retry(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Queue a failed or cancelled job again; it goes on from its checkpoints."""
    with Client(url, key) as client:
        answer = client.retry(job)
        typer.echo(f"{answer['id']} {answer['state']}")


def _watch(client: Client, job_id: str) -> NoReturn:
    console = Console(highlight=False)
    try:
        job = follow(client, job_id, console)
    except KeyboardInterrupt:
        typer.echo(f"the job goes on; `cartl watch {job_id}` shows it again", err=True)
        raise typer.Exit(INTERRUPTED) from None
    show_outcome(job, console)
    _exit_by(job)


def _watch_sweep(client: Client, sweep_id: str) -> NoReturn:
    console = Console(highlight=False)
    try:
        ended = follow_sweep(client, sweep_id, console)
    except KeyboardInterrupt:
        typer.echo(f"the jobs go on; `cartl sweep {sweep_id}` shows them again", err=True)
        raise typer.Exit(INTERRUPTED) from None
    show_report(client.sweep_markdown(sweep_id), console)
    raise typer.Exit(0 if ended["states"]["succeeded"] == ended["jobs"] else 1)


def _exit_by(job: Json) -> NoReturn:
    raise typer.Exit(0 if job["state"] == "succeeded" else 1)


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: errors that a person can act on are a message, not a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupted)
    try:
        app()
    except (ClientError, StartError) as error:
        typer.echo(f"cartl: {error}", err=True)
        sys.exit(1)
