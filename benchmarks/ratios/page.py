"""The tables of ratios in docs/explanation/benchmarks.md, made from the files of results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.profiles import tables as profiles
from benchmarks.ratios import attack_lines
from benchmarks.ratios.results import FOLDER, read
from benchmarks.ratios.table import ROWS


def _profile(name: str) -> Callable[[Path], str]:
    return lambda folder: profiles.table(name)


PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "benchmarks.md"
TABLES: dict[str, Callable[[Path], str]] = {
    "ratios": lambda folder: table(folder),
    "commands": lambda folder: commands(folder),
} | {f"profile {name}": _profile(name) for name in profiles.NAMES}
"""By the name between ``<!-- NAME -->`` and ``<!-- end of NAME -->``."""
HEAD = "| what | against | cell | ours | theirs | times (lowest to highest) | aim | rounds | machine |"


def filled(document: str, folder: Path = FOLDER) -> str:
    """``document`` with each table between its two marks made anew.

    Raises:
        ValueError: a mark is missing.
    """
    for name, made in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, opened, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if not opened or not closed:
            raise ValueError(f"the page has no {begin.strip()} with {end.strip()} after it")
        document = f"{before}{begin}{made(folder)}{end}{after}"
    return document


def table(folder: Path = FOLDER) -> str:
    """A line for each rival of each cell; a row that was never measured has one that says so."""
    lines = [HEAD, "|" + "---|" * HEAD.count(" |")]
    for row in ROWS.values():
        found = read(folder, row)
        if found is None or not found["cells"]:
            lines.append(f"| {row.what} | {row.against} | not measured yet | | | | {_aim(row.aim)} | | |")
            continue
        lines += _lines(found)
    return "\n".join([*lines, *attack_lines.lines()]) + "\n"


def commands(folder: Path = FOLDER) -> str:
    """What was measured when, and by which command: a line for each command, and those of the attacks."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in ROWS.values():
        for cell, its in ((read(folder, row) or {}).get("cells") or {}).items():
            found.setdefault((its["date"], its["command"]), []).append(f"{row.name} ({cell})")
    lines = [f"- {date}, {'; '.join(cells)}: `{command}`" for (date, command), cells in found.items()]
    return "\n".join([*lines, *attack_lines.commands()]) + "\n"


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    for cell, its in found["cells"].items():
        for number, (rival, standing) in enumerate(its["rivals"].items()):
            times = f"**{standing['times']:.2f}** ({standing['lowest']:.2f} to {standing['highest']:.2f})"
            costs = f"{its['ours']:.3g} | {standing['median']:.3g} {found['unit']}"
            aim = _aim(found["aim"]) if number == 0 else ""
            threads = f"{its['threads']} thread{'s' if its['threads'] > 1 else ''} of {its['machine']}"
            yield (
                f"| {found['what']} | {rival} | {cell} | {costs} | {times} | {aim} "
                f"| {its['rounds']} | {threads} |"
            )


def _aim(aim: float | None) -> str:
    return "" if aim is None else f"{aim:g}"
