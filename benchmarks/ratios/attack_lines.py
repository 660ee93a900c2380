"""Lines of the table of ratios for what ``make bench-attacks`` measured: PGD and AutoAttack beside peers.

Peers need a folder of their own, so their costs come from another command and another file. All took turns
in one run; the file has medians, so the ratio is one of medians and has no range.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[1] / "results" / "attacks.json"
LAYOUTS = ("as given", "channels_last")
AIMS = {0.2: 3.0, 0.5: 2.0, 0.75: 1.5}
"""Times as fast as the fastest peer, by the share of images that stand."""
AUTOATTACK_AIM = 1.5
AUTOATTACKS = {
    "torchattacks, 100 steps": ("torchattacks, 100 steps", AUTOATTACK_AIM),
    "torchattacks, as it comes": (
        "torchattacks, as it comes: 10 steps in the place of 100, and weaker",
        None,
    ),
    "pyautoattack": ("the authors' own (pyautoattack)", AUTOATTACK_AIM),
}
"""What runs are called in the file: how the table calls them, and the aim."""
UNIT = "processor seconds"


def lines(file: Path = FILE) -> Iterator[str]:
    """A line for each cell and layout of the fastest peer, by norm and by how many stand; then AutoAttack."""
    runs = json.loads(file.read_text(encoding="utf-8"))["runs"]
    cells = [(run, cell) for run in runs for cell in run["pgd"]]
    cells.sort(key=lambda found: (found[1]["norm"] != "linf", found[1]["sought"]))
    for run, cell in cells:
        yield from _of_pgd(run, cell)
    for run in runs:
        for cell in run["autoattack"]:
            yield from _of_autoattack(run, cell)


def commands(file: Path = FILE) -> Iterator[str]:
    """What was measured when, and by which command."""
    for run in json.loads(file.read_text(encoding="utf-8"))["runs"]:
        cells = [f"{cell['network']} {cell['norm']} {100 * cell['sought']:.0f} %" for cell in _all(run)]
        yield f"- {run['date']}, {', '.join(cells)}: `{run['command']}`"


def fastest(cell: Mapping[str, Any], layout: str) -> tuple[str, float] | None:
    """The peer of that layout that took least, and its seconds; None: nobody ran in it."""
    ending = f", {layout}"
    peers = {
        name.removesuffix(ending): its["processor_s"]
        for name, its in cell.items()
        if isinstance(its, dict) and name.endswith(ending)
    }
    return min(peers.items(), key=lambda one: one[1]) if peers else None


def _of_pgd(run: Mapping[str, Any], cell: Mapping[str, Any]) -> Iterator[str]:
    ours = cell["cartl"]["processor_s"]
    what = f"PGD-{run['steps']} in {cell['norm']}, {100 * cell['sought']:.0f} % robust"
    images = f"{cell['network']}, radius {cell['eps']:.3f}, {cell['n']} images"
    for number, layout in enumerate(LAYOUTS):
        if (found := fastest(cell, layout)) is None:
            continue
        peer, seconds = found
        aim = f"{AIMS[cell['sought']]:g}" if number == 0 else ""
        rival = f"the fastest library, {layout} ({peer})"
        yield _line(what, rival, images, ours, seconds, aim, cell["rounds"], run)


def _of_autoattack(run: Mapping[str, Any], cell: Mapping[str, Any]) -> Iterator[str]:
    ours = cell["cartl"]["processor_s"]
    images = f"{cell['network']}, {cell['norm']} radius {cell['eps']:.3f}, {cell['n']} images"
    for rival, (named, aim) in AUTOATTACKS.items():
        if rival in cell:
            theirs = cell[rival]["processor_s"]
            yield _line("standard AutoAttack", named, images, ours, theirs, f"{aim:g}" if aim else "", 1, run)


def _line(
    what: str,
    rival: str,
    cell: str,
    ours: float,
    theirs: float,
    aim: str,
    rounds: int,
    run: Mapping[str, Any],
) -> str:
    machine = f"{run['threads']} thread of {run['machine']}"
    return (
        f"| {what} | {rival} | {cell} | {ours:.3g} | {theirs:.3g} {UNIT} | **{theirs / ours:.2f}** | {aim} "
        f"| {rounds} | {machine} |"
    )


def _all(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*run["pgd"], *run["autoattack"]]
