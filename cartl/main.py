"""The command `cartl`: start the service, submit jobs, watch them, read their reports."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import typer

from cartl import exit_codes
from cartl.commands import convert, datasets, download, jobs, service, submit, teachers, verify, watch
from cartl.problems import ClientError
from cartl.processes import StartError
from cartl.words import printable

app = typer.Typer(
    help="Move a robust network to new data without losing its robustness, and measure it honestly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

COMMANDS: tuple[Callable[..., None], ...] = (
    service.up,
    service.demo,
    submit.submit,
    submit.evaluate,
    submit.sweep,
    watch.watch,
    jobs.report,
    download.download,
    jobs.jobs,
    jobs.cancel,
    jobs.retry,
    convert.convert,
    verify.verify,
    verify.sign,
)
"""In the order of the help, each under its function's name."""

GROUPS: dict[str, typer.Typer] = {"datasets": datasets.app, "teachers": teachers.app}
"""Commands that have commands of their own."""

for command in COMMANDS:
    app.command()(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: errors that a person can act on are a message, not a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupted)
    try:
        app()
    except (ClientError, StartError) as error:
        _end(str(error), exit_codes.of_error(error))
    except OSError as error:  # a file or folder that was named, or a full disk
        _end(
            ": ".join(str(part) for part in (error.filename, error.strerror or type(error).__name__) if part),
            exit_codes.FAILED,
        )


def _end(why: str, code: int) -> NoReturn:
    typer.echo(f"cartl: {printable(why)}", err=True)
    sys.exit(code)
