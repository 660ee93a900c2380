"""The command `doctor`: device, data, database, broker, disk, versions, and what to do about each."""

from __future__ import annotations

import os
from collections.abc import Sequence

import typer
from rich.console import Console

from cartl.client import DEFAULT_URL
from cartl.commands.options import DATA_DIR, AsJson, DataDir, Key, Quiet, Url
from cartl.doctor.examine import examine
from cartl.doctor.finding import Finding, Status
from cartl.doctor.place import Place
from cartl.exit_codes import FAILED
from cartl.terminal.output import Output
from cartl.terminal.tables import empty_table, safe

STYLES = {Status.OK: "green", Status.NOTE: "yellow", Status.FAILED: "red"}


def doctor(
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Look at device, data, database, broker, disk and versions, and say what to do about each.

    It works without a service, too. The exit code is 1 when a row failed; --quiet prints those alone.
    """
    output = Output(as_json, quiet)
    waiting = Console(stderr=True, quiet=as_json or quiet)
    with waiting.status("looking"):
        found = tuple(examine(Place(data_dir.absolute(), os.environ), url, key, named=url != DEFAULT_URL))
    failed = [one for one in found if one.status is Status.FAILED]
    output.answer(
        [one.as_json() for one in found],
        lambda console: _show(found, console),
        (f"{one.what}: {one.found}; {one.to_do}" for one in failed),
    )
    if failed:
        raise typer.Exit(FAILED)


def _show(found: Sequence[Finding], console: Console) -> None:
    table = empty_table(console, "what", "status", "found", "what to do")
    for one in found:
        table.add_row(safe(one.what), safe(one.status, STYLES[one.status]), safe(one.found), safe(one.to_do))
    console.print(table)
