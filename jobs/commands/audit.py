"""`python -m jobs audit export`: the audit log as lines of JSON, at the console of the service."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from jobs.commands.database import ready_engine
from jobs.database.engine import reading, session_factory, transaction
from jobs.settings import Settings
from jobs.store.rights.audit import entries, newest_number, told

PAGE = 1000

app = typer.Typer(help="Who did what, when and from where.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Who did what, when and from where."""


@app.command()
def export(
    after: Annotated[
        int,
        typer.Option(min=0, metavar="NUMBER", help="Only rows after this number."),
    ] = 0,
) -> None:
    """Print the audit log, oldest first, an object a line. A row is never changed or deleted."""
    factory = session_factory(ready_engine(Settings.from_env()))
    with transaction(factory) as session:
        upto = newest_number(session)
    while after < upto:
        with reading(factory) as session:
            rows = [told(entry) for entry in entries(session, after=after, upto=upto, limit=PAGE)]
        if not rows:
            return
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        after = rows[-1]["number"]
