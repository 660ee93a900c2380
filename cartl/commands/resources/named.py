"""What the commands `cartl datasets` and `cartl teachers` have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from cartl.adding import send, tell_skipped, wait_for_check
from cartl.client import Client
from cartl.commands.agreement import ask
from cartl.content import content_of
from cartl.exit_codes import INTERRUPTED
from cartl.http.address import id_in_path
from cartl.http.answers import Answer
from cartl.resources import Resources
from cartl.show_resources import show_list
from cartl.terminal.output import Output

USABLE = frozenset({"ready", "verified", "unverified", "finished"})
"""States of a data set or teacher that jobs may name."""

NoWait = Annotated[bool, typer.Option("--no-wait", help="Print the id; do not wait for the check.")]
Name = Annotated[str | None, typer.Option(help="Small letters, digits, _ and -; left out: the file's name.")]
Licence = Annotated[str | None, typer.Option(help="What others may do with it, e.g. CC-BY-4.0.")]
Ref = Annotated[str, typer.Argument(help="Its id, or its name.", metavar="ID|NAME")]
Shared = Annotated[bool, typer.Option("--shared", help="Those that others share with you.")]
Reader = Annotated[str, typer.Argument(help="Whose keys may see it.", metavar="OWNER")]
Stop = Annotated[bool, typer.Option("--stop", help="Share it no more.")]


@dataclass(frozen=True)
class Group:
    """One of the two groups of commands."""

    noun: str
    of: Callable[[Client], Resources]
    show: Callable[[Answer, Console], None]


def add(
    group: Group, client: Client, body: Mapping[str, Any], source: Path | None, *, wait: bool, output: Output
) -> NoReturn:
    """Announce it, send what ``source`` holds, wait for its check, show it; exits with 0 if it is usable."""
    resources = group.of(client)
    console = Console(stderr=output.as_json, highlight=False, quiet=output.quiet)
    if source is None:
        answer = resources.announce(body)
    else:
        content = content_of(source)
        tell_skipped(content, console)
        answer = resources.announce({**body, "size": content.size})
        answer = send(resources, id_in_path(str(answer["id"])), content, console)
    if not wait:
        output.line(answer, str(answer["id"]), str(answer["id"]))
        raise typer.Exit(0)
    try:
        answer = wait_for_check(resources, id_in_path(str(answer["id"])), console)
    except KeyboardInterrupt:
        typer.echo(f"the check goes on; `cartl {resources.path} show {answer['id']}` shows it", err=True)
        raise typer.Exit(INTERRUPTED) from None
    show(group, answer, output)
    raise typer.Exit(0 if answer["state"] in USABLE else 1)


def show(group: Group, answer: Answer, output: Output) -> None:
    """One of them, as tables, as JSON, or its state alone."""
    output.answer(answer, lambda console: group.show(answer, console), [str(answer["state"])])


def show_all(group: Group, client: Client, *, shared: bool, output: Output) -> None:
    """All of them, as a table, as JSON, or their ids alone."""
    found = list(group.of(client).all(shared=shared))
    output.answer(found, lambda console: show_list(found, console), (str(one["id"]) for one in found))


def delete_for_good(group: Group, client: Client, ref: str, *, yes: bool, output: Output) -> None:
    """Delete it where a person wants that, and say so."""
    ask(f"Delete this {group.noun} for good?", "nothing was deleted", output, yes=yes)
    group.of(client).delete(ref)
    output.line({"deleted": ref}, f"deleted {ref}")


def share(resources: Resources, ref: str, reader: str, *, stop: bool, output: Output) -> None:
    """Share it, or no more, and say so."""
    (resources.unshare if stop else resources.share)(ref, reader)
    said = f"{ref} is {'no longer ' if stop else ''}shared with {reader}"
    output.line({"ref": ref, "owner": reader, "shared": not stop}, said)


def given(**options: object) -> dict[str, Any]:
    """Those options that were given."""
    return {name: value for name, value in options.items() if value is not None}
