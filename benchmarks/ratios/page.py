"""The table of ratios in docs/explanation/benchmarks.md, made from the files of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.ratios.results import FOLDER, read
from benchmarks.ratios.table import ROWS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "benchmarks.md"
BEGIN, END = "<!-- ratios -->\n", "<!-- end of ratios -->\n"
HEAD = "| what | against | cell | ours | theirs | times (lowest to highest) | aim | rounds | machine |"


def filled(document: str, folder: Path = FOLDER) -> str:
    """``document`` with the table between its two marks made anew.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN.strip()} with {END.strip()} after it")
    return f"{before}{BEGIN}{table(folder)}{END}{after}"


def table(folder: Path = FOLDER) -> str:
    """A line for each rival of each cell; a row that was never measured has one that says so."""
    lines = [HEAD, "|" + "---|" * HEAD.count(" |")]
    for row in ROWS.values():
        found = read(folder, row)
        if found is None or not found["cells"]:
            lines.append(f"| {row.what} | {row.against} | not measured yet | | | | {_aim(row.aim)} | | |")
            continue
        lines += _lines(found)
    return "\n".join(lines) + "\n"


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    for cell, its in found["cells"].items():
        for rival, standing in its["rivals"].items():
            times = f"**{standing['times']:.2f}** ({standing['lowest']:.2f} to {standing['highest']:.2f})"
            costs = f"{its['ours']:.3g} | {standing['median']:.3g} {found['unit']}"
            threads = f"{its['threads']} thread{'s' if its['threads'] > 1 else ''} of {its['machine']}"
            yield (
                f"| {found['what']} | {rival} | {cell} | {costs} | {times} | {_aim(found['aim'])} "
                f"| {its['rounds']} | {threads} |"
            )


def _aim(aim: float | None) -> str:
    return "" if aim is None else f"{aim:g}"
