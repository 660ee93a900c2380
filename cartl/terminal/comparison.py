"""Jobs side by side on a terminal, and as CSV."""

from __future__ import annotations

import csv
import io

from rich.console import Console

from cartl.library.comparison import OTHER, SAME
from cartl.paired_jobs import Against, SideBySide
from cartl.terminal.tables import say, show_rows
from cartl_core.render import numbers
from cartl_core.report import Interval

HEADINGS = ("job", "network", "test images", "clean accuracy", "robust accuracy", "attacks")
OF_DIFFERENCES = ("job minus the first", "accuracy", "difference in points", "95 % interval", "images", "p")


def show_comparison(found: SideBySide, console: Console) -> None:
    """Figures a row each, then differences on the same images."""
    comparison = found.comparison
    rows = [
        (row.name or row.job, row.network, row.data, _figure(row.clean), _figure(row.robust), row.attacks)
        for row in comparison.rows
    ]
    show_rows(console, HEADINGS, rows, "nothing was measured yet")
    if len(rows) > 1:
        say(console, SAME if comparison.same_images else OTHER)
    names = {row.job: row.name or row.job for row in comparison.rows}
    differing = [cells for one in found.against for cells in _differences(one, names.get(one.job, one.job))]
    if differing:
        show_rows(console, OF_DIFFERENCES, differing, "")
    for one in found.against:
        if one.why:
            say(console, f"{names.get(one.job, one.job)}: no differences image by image, {one.why}")


def _differences(one: Against, name: str) -> list[tuple[str, ...]]:
    return [
        (
            name,
            found.what,
            f"{100 * found.difference:+.1f}",
            f"{100 * found.low:+.1f} to {100 * found.high:+.1f}",
            str(found.n),
            f"{found.p_value:.2g}",
        )
        for found in one.found
    ]


def _figure(found: Interval | None) -> str:
    return numbers.interval(found) if found else "not measured"


def as_csv(found: SideBySide) -> str:
    """A row for each job: fractions with the ends of their intervals."""
    records = [row.record() for row in found.comparison.rows]
    text = io.StringIO()
    names = list(records[0]) if records else ["job"]
    rows = csv.DictWriter(text, names, lineterminator="\n")
    rows.writeheader()
    for record in records:
        rows.writerow({name: _cell(value) for name, value in record.items()})
    return text.getvalue()


def _cell(value: object) -> object:
    """A text that a spreadsheet takes for text, whatever it begins with."""
    risky = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if risky else value
