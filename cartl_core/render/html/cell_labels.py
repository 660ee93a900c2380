"""Cells of a table that name their columns: on a narrow screen a row stands as one block, cell below cell."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup, escape

_ROW = re.compile(r"<tr\b")
_CELL = re.compile(r"<t[dh]\b([^>]*)>")
_WIDE = re.compile(r'colspan="(\d+)"')


def labelled(rows: str, columns: Sequence[str]) -> Markup:
    """The rows of a table's body, each cell but a row's first with its column's name as ``data-label``.

    Args:
        rows: made by a template, so that a ``<`` in them begins an element.
        columns: names from the left.
    """
    begin, *others = _ROW.split(rows)
    return Markup(begin + "".join("<tr" + _row(one, columns) for one in others))


def _row(cells: str, columns: Sequence[str]) -> str:
    at = 0

    def named(found: re.Match[str]) -> str:
        nonlocal at
        place, wide = at, _WIDE.search(found[1])
        at += int(wide[1]) if wide else 1
        if place == 0 or place >= len(columns):
            return found[0]
        return f'{found[0][:-1]} data-label="{escape(columns[place])}">'

    return _CELL.sub(named, cells)
