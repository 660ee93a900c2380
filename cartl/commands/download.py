"""The command `download`: a job's student, in the forms that others load."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from cartl.client import DEFAULT_URL, Client
from cartl.commands.options import JobId, Key, Url
from cartl.downloads import Format, files_of
from cartl.downloads import download as bring
from cartl.exit_codes import INTERRUPTED


def download(
    job: JobId,
    format: Annotated[  # noqa: A002
        str, typer.Option(help=f"One of {', '.join(get_args(Format))}.")
    ] = "all",
    out: Annotated[Path, typer.Option(help="The folder that they go into.")] = Path(),
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Bring a job's files here, proven whole by their SHA-256; a download that broke off goes on."""
    wanted = next((known for known in get_args(Format) if known == format), None)
    if wanted is None:
        raise typer.BadParameter(f"one of {', '.join(get_args(Format))}", param_hint="--format")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    try:
        with (
            Client(url, key) as client,
            Progress(*columns, console=console, disable=not console.is_terminal) as bar,
        ):
            for artifact in files_of(client, job, wanted):
                told = partial(_tell, bar, bar.add_task(artifact["name"], total=artifact["size"]))
                fresh = bring(client, job, artifact, out, told)
                typer.echo(f"{out / artifact['name']}{'' if fresh else ' (was there)'}")
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _tell(bar: Progress, task: TaskID, here: int) -> None:
    bar.update(task, completed=here)
