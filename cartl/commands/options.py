"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cartl.terminal.completion import job_ids

DATA_DIR = Path(".cartl")

Url = Annotated[str, typer.Option(envvar="CARTL_URL", help="Where the service answers.")]
Key = Annotated[str | None, typer.Option(envvar="CARTL_KEY", help="API key, where one is needed.")]
JobId = Annotated[str, typer.Argument(help="The job's id.", metavar="ID", autocompletion=job_ids())]
JobUnderWay = Annotated[
    str,
    typer.Argument(help="The job's id.", metavar="ID", autocompletion=job_ids("queued", "running")),
]
JobThatEnded = Annotated[
    str,
    typer.Argument(help="The job's id.", metavar="ID", autocompletion=job_ids("failed", "cancelled")),
]
DataDir = Annotated[
    Path, typer.Option(envvar="CARTL_DATA_DIR", help="Holds everything: database, teachers, reports.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No words; of an answer its ids or names alone.")]
Norm = Annotated[str | None, typer.Option(help="Of its attacks: linf, l2 or l1.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it costs much, or is lost.")]
