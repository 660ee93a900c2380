"""Markdown of the generated pages: tables, and text that is safe inside a cell."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a blank line behind it; nothing where there are no rows."""
    lines = [f"| {' | '.join(cell(text) for text in row)} |\n" for row in rows]
    if not lines:
        return ""
    rule = f"|{'|'.join('---' for _ in head)}|\n"
    return f"| {' | '.join(head)} |\n{rule}{''.join(lines)}\n"


def cell(text: str) -> str:
    """One line, with bars that do not end the cell."""
    return " ".join(text.split()).replace("|", "\\|")


def code(value: object) -> str:
    """A value as code: JSON where it is plain data."""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def docstring(thing: object) -> str:
    """The docstring without its indentation, or nothing; code marks are Markdown's."""
    return (inspect.getdoc(thing) or "").replace("``", "`")
