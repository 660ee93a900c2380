"""Tables on a terminal, and in a pipe, which has no width of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cartl.words import printable
from cartl_core.spec.visible_text import visible

PLAIN_WIDTH = 200
"""Of a table that goes into a file or a pipe."""
ID_WIDTH = 32


def safe(text: str, style: str = "") -> Text:
    """Text that may look like markup, or steer a terminal."""
    return Text(printable(visible(text)), style)


def empty_table(console: Console, *headings: str) -> Table:
    """A table without lines; a heading ``id`` keeps the width of one."""
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    table = Table(box=None)
    for heading in headings:
        is_id = heading == "id"
        table.add_column(safe(heading), no_wrap=is_id, min_width=ID_WIDTH if is_id else None)
    return table


def show_rows(console: Console, headings: Sequence[str], rows: Iterable[Sequence[str]], none: str) -> None:
    """A row each, or the words ``none`` where there is no row."""
    table = empty_table(console, *headings)
    for row in rows:
        table.add_row(*map(safe, row))
    if table.row_count:
        console.print(table)
    else:
        say(console, none)


def show_facts(console: Console, facts: Iterable[tuple[str, str]]) -> None:
    """Names and values, one below the other; those without a value are left out."""
    table = Table(box=None, show_header=False)
    for name, value in facts:
        if value:
            table.add_row(safe(name, "dim"), safe(value))
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    console.print(table)


def say(console: Console, text: str) -> None:
    """A line of text as it is."""
    console.print(safe(text), soft_wrap=True)
