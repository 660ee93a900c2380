"""The commands `cartl datasets ...`: your images on the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cartl.client import DEFAULT_URL, Client
from cartl.commands.options import AsJson, Key, Quiet, Url, Yes
from cartl.commands.resources.named import (
    Group,
    Licence,
    Name,
    NoWait,
    Reader,
    Ref,
    Shared,
    Stop,
    delete_for_good,
    given,
    share,
    show,
    show_all,
)
from cartl.commands.resources.named import add as add_to
from cartl.content import name_for
from cartl.show_resources import show_dataset
from cartl.terminal.output import Output

app = typer.Typer(help="Your own images: add, list, show, delete and share them.", no_args_is_help=True)
DATASETS = Group("data set", lambda client: client.datasets, show_dataset)


@app.command()
def add(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A folder with a folder for each class, a .zip or .tar of one, or an .npz.",
            metavar="[SOURCE]",
        ),
    ] = None,
    name: Name = None,
    format: Annotated[  # noqa: A002
        str | None, typer.Option(help="auto, archive or npz; left out: auto.")
    ] = None,
    test_fraction: Annotated[
        float | None, typer.Option(help="Kept for tests where the content has no test split.")
    ] = None,
    split_seed: Annotated[int | None, typer.Option(help="Of that split.")] = None,
    root: Annotated[
        str | None, typer.Option(help="A folder of the server, for operators: registered where it lies.")
    ] = None,
    licence: Licence = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send a data set, wait until every file was looked at, and show what was found.

    The exit code is 0 when it is ready.
    """
    if (source is None) == (root is None):
        raise typer.BadParameter("give a SOURCE to send, or a folder of the server with --root")
    named = name or name_for(Path(root or "") if source is None else source)
    body = given(
        name=named,
        root=root,
        format=format,
        test_fraction=test_fraction,
        split_seed=split_seed,
        licence=licence,
    )
    with Client(url, key) as client:
        add_to(DATASETS, client, body, source, wait=not no_wait, output=Output(as_json, quiet))


@app.command("list")
def list_all(
    shared: Shared = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List data sets: the catalog's, and yours, newest first."""
    with Client(url, key) as client:
        show_all(DATASETS, client, shared=shared, output=Output(as_json, quiet))


@app.command("show")
def show_one(
    ref: Ref, as_json: AsJson = False, quiet: Quiet = False, url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """Show a data set: classes, counts, what was skipped and why, warnings, defaults."""
    with Client(url, key) as client:
        show(DATASETS, client.datasets.one(ref), Output(as_json, quiet))


@app.command()
def delete(
    ref: Ref,
    yes: Yes = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Delete a data set, with its bytes; asks first."""
    with Client(url, key) as client:
        delete_for_good(DATASETS, client, ref, yes=yes, output=Output(as_json, quiet))


@app.command("share")
def share_one(
    ref: Ref,
    owner: Reader,
    stop: Stop = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Let another owner see a data set, and name it in jobs."""
    with Client(url, key) as client:
        share(client.datasets, ref, owner, stop=stop, output=Output(as_json, quiet))
