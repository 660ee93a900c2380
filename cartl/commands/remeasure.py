"""The command `remeasure`: a network that was measured, measured again with what is new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cartl import request as asked
from cartl.client import DEFAULT_URL, Client
from cartl.commands.agreement import agree, tell_dry_run, tell_posted
from cartl.commands.options import AsJson, JobId, Key, Norm, Quiet, Url, Yes
from cartl.commands.watch import watch_to_end
from cartl.terminal.output import Output


def remeasure(
    job: JobId,
    evaluate: Annotated[
        Path | None,
        typer.Argument(help="What is new, as the `evaluate` of a request.", metavar="[EVALUATE.json]"),
    ] = None,
    attacks: Annotated[
        str | None, typer.Option(help="In its place an evaluation by name, e.g. pgd100 or autoattack.")
    ] = None,
    norm: Norm = None,
    name: Annotated[str | None, typer.Option(help="For you.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="For filters; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would become.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Then show it until it ends.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Attack a job's network again, on the same images, with what was not tried on them yet.

    The new job adds a row to the robustness of both. With neither file nor --attacks: the ensemble.
    """
    written: dict[str, Any] = asked.read(evaluate) if evaluate else {"preset": "ensemble"}
    written |= asked.evaluation(attacks, norm) or {}
    others = {"name": name, "tags": tag}
    body = {"evaluate": written, **{field: value for field, value in others.items() if value}}
    output = Output(as_json, quiet)
    with Client(url, key) as client:
        planned = client.remeasure(job, body, dry_run=True)
        if dry_run:
            tell_dry_run(planned, output)
            return
        agree(planned, output, yes=yes)
        answer = client.remeasure(job, body)
        tell_posted(answer, output)
        if watch:
            watch_to_end(client, answer["id"], quiet=quiet or as_json)
