"""Commands about the command itself, and the way to the pages: `open`, `version` and `completion`."""

from __future__ import annotations

import os
import platform
import sys
import webbrowser
from importlib.metadata import version as version_of
from typing import Annotated

import typer
from typer.completion import shell_complete

from cartl.client import DEFAULT_URL, Client
from cartl.commands.options import AsJson, Key, Quiet, Url
from cartl.http.address import id_in_path
from cartl.terminal.completion import job_ids
from cartl.terminal.output import Output

SHELLS = ("bash", "zsh", "fish")
COMPLETE_VARIABLE = "_CARTL_COMPLETE"
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def open_page(
    job: Annotated[
        str | None,
        typer.Argument(help="A job; left out: the list of jobs.", metavar="[ID]", autocompletion=job_ids()),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Open the page of a job in the browser; where there is none, print its address."""
    with Client(url, key) as client:
        if job is None:
            client.ready()
        else:
            client.job(job)
        page = f"{client.base_url}/ui/jobs" + ("" if job is None else f"/{id_in_path(job)}")
    opened = _has_browser() and webbrowser.open(page)
    Output(as_json, quiet).line({"url": page, "opened": opened}, page, page)


def _has_browser() -> bool:
    """Whether a window can be opened here: a browser in the terminal would take the place of the command."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in DISPLAYS)


def version(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Print the version of this command."""
    own = version_of("cartl")
    told = {"cartl": own, "python": platform.python_version()}
    Output(as_json, quiet).line(told, f"cartl {own}, Python {told['python']}", own)


def completion(
    context: typer.Context,
    shell: Annotated[str, typer.Argument(help=f"One of {', '.join(SHELLS)}.", metavar="SHELL")],
) -> None:
    """Print the completion of a shell: `eval "$(cartl completion bash)"` in ~/.bashrc, likewise for zsh.

    For fish: `cartl completion fish > ~/.config/fish/completions/cartl.fish`.

    Ids of jobs are asked of the service; one that does not answer within a second completes nothing.
    """
    if shell not in SHELLS:
        raise typer.BadParameter(f"one of {', '.join(SHELLS)}", param_hint="SHELL")
    code = shell_complete(context.find_root().command, {}, "cartl", COMPLETE_VARIABLE, f"source_{shell}")
    if code:
        raise typer.Exit(code)
