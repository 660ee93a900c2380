"""The table of both verdicts in docs/explanation/benchmarks.md, made from the file of results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent / "results" / "low-precision.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "benchmarks.md"
BEGIN, END = "<!-- low precision -->\n", "<!-- end of low precision -->\n"
HEAD = (
    "| network, norm, radius | n | attack | robust, fp32 | robust, begun in bf16 | only fp32 broke "
    "| only begun in bf16 broke | passes in fp32: fp32 / begun in bf16 | and in bf16 | times as fast |"
)
NO_HARDWARE = "no processor with bf16 at hand"


def filled(document: str, file: Path = FILE) -> str:
    """``document`` with the table between its two marks made anew.

    Raises:
        ValueError: a mark is missing.
    """
    before, opened, rest = document.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not opened or not closed:
        raise ValueError(f"the page has no {BEGIN.strip()} with {END.strip()} after it")
    return f"{before}{BEGIN}{table(file)}{END}{after}"


def table(file: Path = FILE) -> str:
    """Two lines for each cell: the attack alone, and the worst case of the preset that has it."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    lines = [HEAD, "|" + "---|" * HEAD.count(" |")]
    for name, its in cells.items():
        lines += _lines(name, its)
    lines += ["", *(f"- {line}" for line in _commands(cells))]
    return "\n".join(lines) + "\n"


def _lines(name: str, its: Mapping[str, Any]) -> Iterator[str]:
    network, norm = name.split(":")
    n, passes, seconds = its["n"], its["passes"], its["processor_s"]
    begun = passes["begun in bf16"]
    speed = f"{seconds['fp32'] / seconds['begun in bf16']:.2f}" if seconds else NO_HARDWARE
    costs = f"{passes['fp32']:,} / {begun['fp32']:,} | {begun['bf16']:,} | {speed}"
    for attack, of, told in (("PGD-100", "pgd100", costs), ("preset `pgd100`", "preset pgd100", " | | ")):
        found = its[of]
        yield (
            f"| {network}, {norm}, {its['eps']:.3f} | {n:,} | {attack} | {found['fp32_stand'] / n:.1%} "
            f"| {found['bf16_stand'] / n:.1%} | {found['only_fp32_broke']} | {found['only_bf16_broke']} "
            f"| {told} |"
        )


def _commands(cells: Mapping[str, Any]) -> Iterator[str]:
    found: dict[tuple[str, ...], list[str]] = {}
    for name, its in cells.items():
        found.setdefault((its["date"], its["command"], its["machine"], its["bf16"]), []).append(name)
    for (date, command, machine, bf16), names in found.items():
        yield f"{date}, {', '.join(names)}: `{command}`; one thread of {machine}; bf16: {bf16}"
