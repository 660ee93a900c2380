"""The commands `cartl teachers ...`: robust networks of others on the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cartl.client import DEFAULT_URL, Client
from cartl.commands.numbers import SeveralNumbers, numbers, radius
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
from cartl.show_resources import show_teacher
from cartl.terminal.output import Output

app = typer.Typer(
    help="Robust networks to learn from: add, list, show, delete and share them.", no_args_is_help=True
)
TEACHERS = Group("teacher", lambda client: client.teachers, show_teacher)


@app.command(cls=SeveralNumbers)
def add(
    source: Annotated[Path, typer.Argument(help="A safetensors file.", metavar="FILE")],
    name: Name = None,
    layout: Annotated[str | None, typer.Option(help="Left out: told from the names of the tensors.")] = None,
    model: Annotated[
        str | None, typer.Option(help="The architecture where the file does not tell it, e.g. resnet18.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Of its input, with --model; pixels.")] = None,
    normalisation: Annotated[
        str | None, typer.Option(help="none: it takes images in [0, 1] as they are.")
    ] = None,
    mean: Annotated[
        str | None, typer.Option(help="Subtracted from each channel of [0, 1].", metavar="NUMBER ...")
    ] = None,
    std: Annotated[
        str | None, typer.Option(help="Each channel is divided by it.", metavar="NUMBER ...")
    ] = None,
    classes: Annotated[int | None, typer.Option(help="Outputs of its head.")] = None,
    norm: Annotated[str | None, typer.Option(help="It was trained against: linf, l2 or l1.")] = None,
    eps: Annotated[
        float | None,
        typer.Option(
            help="The radius of that, in pixel units on [0, 1]; also as 8/255.",
            parser=radius,
            metavar="NUMBER|8/255",
        ),
    ] = None,
    verify: Annotated[str | None, typer.Option(help="The data set to measure it on.")] = None,
    images: Annotated[int | None, typer.Option(help="How many of its test images.")] = None,
    clean: Annotated[
        float | None, typer.Option(help="Its published clean accuracy, 0 to 1, to be reproduced.")
    ] = None,
    licence: Licence = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send a teacher, wait until it was taken in and measured, and show what was found.

    The exit code is 0 when it is verified, or unverified where no data set was named.
    """
    body = given(
        name=name or name_for(source),
        layout=layout,
        architecture=given(name=model, image_size=image_size) or None,
        normalisation=_normalisation(normalisation, mean, std),
        classes=classes,
        trained_at=given(norm=norm, eps=eps) or None,
        published=given(clean=clean) or None,
        verify=given(dataset=verify, images=images) or None,
        licence=licence,
    )
    with Client(url, key) as client:
        add_to(TEACHERS, client, body, source, wait=not no_wait, output=Output(as_json, quiet))


def _normalisation(named: str | None, mean: str | None, std: str | None) -> Any:
    """`none`, or mean and deviation; None where nothing was told."""
    if named is not None and (mean is not None or std is not None):
        raise typer.BadParameter("give --normalisation none, or --mean and --std")
    return named or given(mean=numbers(mean, "--mean"), std=numbers(std, "--std")) or None


@app.command("list")
def list_all(
    shared: Shared = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List teachers: those that jobs have trained, and those that you brought, newest first."""
    with Client(url, key) as client:
        show_all(TEACHERS, client, shared=shared, output=Output(as_json, quiet))


@app.command("show")
def show_one(
    ref: Ref, as_json: AsJson = False, quiet: Quiet = False, url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """Show a teacher: blocks, the methods that work from it, and what was measured."""
    with Client(url, key) as client:
        show(TEACHERS, client.teachers.one(ref), Output(as_json, quiet))


@app.command()
def delete(
    ref: Ref,
    yes: Yes = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Delete a teacher, with its bytes; asks first."""
    with Client(url, key) as client:
        delete_for_good(TEACHERS, client, ref, yes=yes, output=Output(as_json, quiet))


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
    """Let another owner see a teacher, and name it in jobs."""
    with Client(url, key) as client:
        share(client.teachers, ref, owner, stop=stop, output=Output(as_json, quiet))
