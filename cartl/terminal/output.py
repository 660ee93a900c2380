"""How a command speaks: for people, as JSON, or as short as it can."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console

from cartl.words import printable


@dataclass(frozen=True)
class Output:
    """Where a command's answer and its words go.

    Attributes:
        as_json: the answer is JSON on standard output.
        quiet: no words; of the answer only its short form, such as ids.
    """

    as_json: bool = False
    quiet: bool = False

    def answer(self, value: Any, show: Callable[[Console], None], brief: Iterable[str] = ()) -> None:
        """What was asked for.

        Args:
            value: it as JSON has it.
            show: writes it for people.
            brief: its short form, a line each.
        """
        if self.as_json:
            typer.echo(json.dumps(value, indent=2))
        elif self.quiet:
            for line in brief:
                typer.echo(printable(line))
        else:
            show(Console(highlight=False))

    def line(self, value: Any, text: str, brief: str | None = None) -> None:
        """An answer that is one line for people."""
        self.answer(value, lambda console: typer.echo(printable(text)), () if brief is None else (brief,))

    def say(self, text: str) -> None:
        """Words beside the answer. They go to standard error, so that a pipe has the answer alone."""
        if not self.quiet:
            typer.echo(printable(text), err=True)
