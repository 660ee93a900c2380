"""The command `cartl`: start the service, submit jobs, watch them, read their reports."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from cartl import exit_codes
from cartl.http.problems import ClientError
from cartl.serving.processes import StartError
from cartl.words import printable


def __getattr__(name: str) -> typer.Typer:
    """``app``, all commands: loaded when it is asked for."""
    if name != "app":
        raise AttributeError(name)
    from cartl.commands.registered import app

    return app


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: errors that a person can act on are a message, not a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupted)
    try:
        _application(sys.argv[1:])()
    except (ClientError, StartError) as error:
        _end(str(error), exit_codes.of_error(error))
    except OSError as error:  # a file or folder that was named, or a full disk
        _end(
            ": ".join(str(part) for part in (error.filename, error.strerror or type(error).__name__) if part),
            exit_codes.FAILED,
        )


def _application(arguments: list[str]) -> typer.Typer:
    """All commands; for `up` that one alone, since a service should not wait for what the others load."""
    if arguments[:1] != ["up"]:
        import cartl.main as commands  # by its attribute, which tests replace

        return commands.app
    from cartl.commands.service import up

    alone = typer.Typer(pretty_exceptions_enable=False)
    alone.callback()(lambda: None)  # with a callback one command stays a command
    alone.command("up")(up)
    return alone


def _end(why: str, code: int) -> NoReturn:
    typer.echo(f"cartl: {printable(why)}", err=True)
    sys.exit(code)
