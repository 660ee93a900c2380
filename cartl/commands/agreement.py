"""Before something is posted: what it will cost, and whether a person wants that."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import typer

from cartl.client import Json
from cartl.exit_codes import FAILED
from cartl.http.answers import NeededData, NeedsData
from cartl.http.problems import NotUsable
from cartl.terminal.job_page import cost
from cartl.terminal.output import Output
from cartl.words import byte_count, doing, duration

MISSING, DOWNLOAD = "missing", "download"
"""What an answer says of the files of a data set: no job will get them, or this one will."""
LONG_SECONDS = 24 * 3600.0
"""A job that may take longer is asked about."""


def cost_of(answer: Json) -> str:
    """What a job, a sweep or a dry run is expected to cost; empty where that is not known."""
    estimate = answer.get("estimate")
    return cost(estimate) if isinstance(estimate, dict) else ""


def objections(answer: Json) -> Iterator[str]:
    """What a person should know before this is queued."""
    estimate = answer.get("estimate")
    seconds = estimate.get("seconds") if isinstance(estimate, dict) else None
    if isinstance(seconds, int | float) and seconds > LONG_SECONDS:
        yield f"it will take about {duration(seconds)} on this service"
    for one in _needed_data(answer):
        if one.state == MISSING:
            how = f"; get them with `{one.command}`" if one.command else ""
            yield f"the files of {one.name} ({one.field}) are not there, and will not be downloaded{how}"


def _needed_data(answer: Json) -> list[NeededData]:
    """The data sets that a job needs; a service of an earlier version says nothing of them."""
    return NeedsData.model_validate(answer).data or []


def tell_downloads(answer: Json, output: Output) -> None:
    """Which data sets are downloaded before a job begins."""
    for one in _needed_data(answer):
        if one.state == DOWNLOAD:
            size = f", {byte_count(one.size)}" if one.size is not None else ""
            host = f" from {one.host}" if one.host else ""
            output.say(f"{one.name} ({one.field}) is downloaded first{size}{host}")


def agree(answer: Json, output: Output, *, yes: bool) -> None:
    """Ask on a terminal where there is an objection; return when it may be posted.

    Raises:
        NotUsable: there is one, and nobody can be asked.
        Exit: the answer was no.
    """
    found = list(objections(answer))
    for one in found:
        output.say(f"warning: {one}")
    if found:
        ask("Submit it all the same?", f"{'; '.join(found)}; nothing was submitted", output, yes=yes)


def ask(question: str, refusal: str, output: Output, *, yes: bool) -> None:
    """Return when a person wants it; ``refusal`` says why nothing is done where nobody can be asked.

    Raises:
        NotUsable: nobody can.
        Exit: the answer was no.
    """
    if yes:
        return
    if output.as_json or not can_ask():
        raise NotUsable(f"{refusal}; with --yes it is done without a question")
    if not typer.confirm(question, err=True):
        typer.echo("nothing was done", err=True)
        raise typer.Exit(FAILED)


def can_ask() -> bool:
    """Whether a person sits there."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def tell_posted(answer: Json, output: Output) -> None:
    """The id of a job on standard output; beside it what it costs and what can be done next."""
    job = str(answer["id"])
    output.answer(answer, lambda console: typer.echo(job), [job])
    if output.as_json:
        return
    estimate = cost_of(answer)
    state = doing(answer) if answer.get("state") else "queued"
    output.say(f"{state}; {estimate} once it runs" if estimate else state)
    tell_downloads(answer, output)
    further = f"`cartl watch {job}` shows it, `cartl report {job}` what it has found"
    output.say(f"next: {further}, `cartl cancel {job}` ends it")


def tell_dry_run(answer: Json, output: Output) -> None:
    """What it would become, as JSON: it is long, and made to be read by programs."""
    Output(as_json=True).answer(answer, lambda console: None)
    if output.as_json:
        return
    estimate = cost_of(answer)
    if estimate:
        output.say(f"nothing was submitted; it would cost {estimate}")
    tell_downloads(answer, output)
    for one in objections(answer):
        output.say(f"warning: {one}")
