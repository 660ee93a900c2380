"""Commands that start the service: `up` and `demo`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from cartl.commands.options import DATA_DIR, AsJson, DataDir, Key, Quiet
from cartl.exit_codes import INTERRUPTED
from cartl.serving.up import Service, Settings, free_port
from cartl.terminal.output import Output

PRIVATE = 0o077
"""What others may not do with the files of the service."""
EXAMPLE = '{"dataset": "fashion_mnist", "freeze_depth": 2}'


def up(
    host: Annotated[
        str, typer.Option(help="Address to listen on; others need an API key first.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8000,
    data_dir: DataDir = DATA_DIR,
    gpus: Annotated[
        str | None,
        typer.Option(help="`all`, `none`, or numbers, e.g. `0,1`; one run on each. Default: all it sees."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Start the service and leave it running; Ctrl-C ends it cleanly.

    With --json or --quiet its address is printed once it answers.
    """
    os.umask(PRIVATE)
    settings = Settings(data_dir.absolute(), host, port or free_port(), gpus)
    output = Output(as_json, quiet)
    try:
        with Service(settings) as service:
            told = {"url": settings.url, "data_dir": str(settings.data_dir), "logs": str(settings.logs)}
            output.answer(told, lambda console: _welcome(settings, console), [settings.url])
            sys.stdout.flush()
            service.watch()
    except KeyboardInterrupt:
        if not (as_json or quiet):
            typer.echo("stopped")


def _welcome(settings: Settings, console: Console) -> None:
    for line in (
        f"The service is up: {settings.url} (its documentation: {settings.url}/docs)",
        f"Everything is kept in {settings.data_dir}; logs are in {settings.logs}",
        "Try:",
        f"  curl -s {settings.url}/jobs -H 'Content-Type: application/json' -d '{EXAMPLE}'",
        f"  curl -s -H 'Accept: text/markdown' {settings.url}/jobs/ID/robustness",
        "Ctrl-C ends it.",
    ):
        console.print(line, markup=False, soft_wrap=True)


def demo(
    data_dir: DataDir = DATA_DIR,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the service running after the report.")] = False,
    key: Key = None,
) -> None:
    """Start the service, run consistent tuning beside plain transfer and CARTL, print the report, stop."""
    from cartl.demo import demo as demonstration  # it reads reports, which `up` should not wait for

    os.umask(PRIVATE)
    settings = Settings(data_dir.absolute(), port=free_port())
    try:
        code = demonstration.run(settings, Console(highlight=False), key=key, keep=keep)
    except KeyboardInterrupt:
        typer.echo("interrupted; `cartl demo` goes on from here", err=True)
        code = INTERRUPTED
    raise typer.Exit(code)
