"""The command `cartl audit`: who did what, when and from where."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cartl.client import DEFAULT_URL, Client
from cartl.commands.options import AsJson, Key, Quiet, Url
from cartl.terminal.catalog_tables import show_audit
from cartl.terminal.output import Output


def audit(
    after: Annotated[
        int,
        typer.Option(min=0, metavar="NUMBER", help="Only rows after this number."),
    ] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show the audit log, oldest first, with an operator's key; `--json` prints an object a line.

    For the next export give the last number as `--after`. A row is never changed or deleted.
    """
    with Client(url, key) as client:
        if as_json:
            for entry in client.keys.audit(after):
                typer.echo(json.dumps(entry))
            return
        found = list(client.keys.audit(after))
    numbers = (str(entry["number"]) for entry in found)
    Output(as_json, quiet).answer(found, lambda console: show_audit(found, console), numbers)
