"""The command `cartl`: start the service, submit jobs, watch them, read their reports."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import typer

from cartl import exit_codes
from cartl.commands import (
    about,
    catalog,
    datasets,
    doctor,
    download,
    jobs,
    keys,
    local,
    remeasure,
    results,
    service,
    submit,
    teachers,
    verify,
    watch,
)
from cartl.http.problems import ClientError
from cartl.serving.processes import StartError
from cartl.words import printable

app = typer.Typer(
    help="Move a robust network to new data without losing its robustness, and measure it honestly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

COMMANDS: dict[str, Callable[..., None]] = {
    "up": service.up,
    "demo": service.demo,
    "submit": submit.submit,
    "evaluate": submit.evaluate,
    "remeasure": remeasure.remeasure,
    "sweep": submit.sweep,
    "watch": watch.watch,
    "jobs": jobs.jobs,
    "show": jobs.show,
    "report": results.report,
    "compare": results.compare,
    "logs": watch.logs,
    "download": download.download,
    "open": about.open_page,
    "cancel": jobs.cancel,
    "retry": jobs.retry,
    "priority": jobs.priority,
    "delete": jobs.delete,
    "models": catalog.models,
    "methods": catalog.methods,
    "workers": catalog.workers,
    "fetch": local.fetch,
    "convert": local.convert,
    "run": local.run,
    "verify": verify.verify,
    "sign": verify.sign,
    "prune": local.prune,
    "doctor": doctor.doctor,
    "version": about.version,
    "completion": about.completion,
}
"""In the order of the help."""

GROUPS: dict[str, typer.Typer] = {"datasets": datasets.app, "teachers": teachers.app, "keys": keys.app}
"""Commands that have commands of their own."""

SETTINGS = {"priority": {"ignore_unknown_options": True}}
"""Of commands that are parsed otherwise: a priority below 0 is no option."""

for name, command in COMMANDS.items():
    app.command(name, context_settings=SETTINGS.get(name))(command)
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
