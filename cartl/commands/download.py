"""The command `download`: a job's student, in the forms that others load."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from cartl.client import DEFAULT_URL, Client
from cartl.commands.options import AsJson, JobId, Key, Quiet, Url
from cartl.exit_codes import INTERRUPTED
from cartl.http.downloads import Format, files_of
from cartl.http.downloads import download as bring
from cartl.terminal.output import Output


def download(
    job: JobId,
    format: Annotated[  # noqa: A002
        str, typer.Option(help=f"One of {', '.join(get_args(Format))}.")
    ] = "all",
    out: Annotated[Path, typer.Option(help="The folder that they go into.")] = Path(),
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Bring a job's files here, proven whole by their SHA-256; a download that broke off goes on."""
    wanted = next((known for known in get_args(Format) if known == format), None)
    if wanted is None:
        raise typer.BadParameter(f"one of {', '.join(get_args(Format))}", param_hint="--format")
    console, output, here = Console(stderr=True, quiet=quiet), Output(as_json, quiet), []
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    try:
        with (
            Client(url, key) as client,
            Progress(*columns, console=console, disable=not console.is_terminal or quiet) as bar,
        ):
            for artifact in files_of(client, job, wanted):
                told = partial(_tell, bar, bar.add_task(artifact["name"], total=artifact["size"]))
                fresh = bring(client, job, artifact, out, told)
                place = out / artifact["name"]
                here.append({"path": str(place), "fresh": fresh, **artifact})
                if not (as_json or quiet):
                    typer.echo(f"{place}{'' if fresh else ' (was there)'}")
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None
    output.answer(here, lambda console: None, (one["path"] for one in here))


def _tell(bar: Progress, task: TaskID, here: int) -> None:
    bar.update(task, completed=here)
