"""Measure rows of the table of ratios: ``python -m benchmarks.ratios [ROW ...] [--cells CELL ...]``.

In each row ours and its rivals take turns in one process; the figure is the median over the rounds of the
ratio in each. Results go to benchmarks/results/ratios, a file a row, and from there ``--page`` makes the
table in docs/explanation/benchmarks.md.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import torch

from benchmarks.ratios.contest import Outcome, Row, measure
from benchmarks.ratios.page import PAGE, filled
from benchmarks.ratios.results import FOLDER, machine, record
from benchmarks.ratios.table import ROWS


def main(arguments: list[str]) -> int:
    """Measure what was asked for; 1 where ``--check`` finds another table in the page than the files give."""
    options = _options(arguments)
    if options.page or options.check:
        return _page(write=options.page)
    torch.set_num_threads(options.threads)
    _say(f"{options.threads} of {machine()}, torch {torch.__version__}")
    command = shlex.join(["python", "-m", "benchmarks.ratios", *arguments])
    for row in [ROWS[name] for name in options.rows or ROWS]:
        for cell, prepare in row.cells.items():
            if options.cells and cell not in options.cells:
                continue
            contest = prepare()
            outcome = measure(
                contest, row.cost, rounds=options.rounds, seconds=options.seconds, warm_up=row.warm_up
            )
            _say(_line(row, cell, outcome))
            record(options.out, row, cell, contest, outcome, command)
    return 0


def _page(*, write: bool) -> int:
    before = PAGE.read_text(encoding="utf-8")
    after = filled(before)
    if write:
        PAGE.write_text(after, encoding="utf-8")
    return int(before != after and not write)


def _line(row: Row, cell: str, outcome: Outcome) -> str:
    told = [
        f"{name} {its.median:.4g}, {its.times:.2f} times ({its.lowest:.2f} to {its.highest:.2f})"
        for name, its in outcome.rivals.items()
    ]
    return (
        f"{row.what}, {cell}: ours {outcome.ours:.4g} {row.unit}; {'; '.join(told)}; {outcome.rounds} rounds"
    )


def _options(arguments: list[str]) -> argparse.Namespace:
    cells = sorted({cell for row in ROWS.values() for cell in row.cells})
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ratios", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; none: all")
    parser.add_argument("--cells", nargs="*", metavar="CELL", help="only these; none: all of a row")
    parser.add_argument("--rounds", type=int, default=9, help="of each cell, at most (9)")
    parser.add_argument("--seconds", type=float, default=120.0, help="no round of a cell begins later (120)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (1)")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder of the files of results")
    parser.add_argument("--page", action="store_true", help="measure nothing; make the page's table anew")
    parser.add_argument(
        "--check", action="store_true", help="measure nothing; fail where the page has another"
    )
    options = parser.parse_args(arguments)
    for given, allowed in ((options.rows, list(ROWS)), (options.cells or [], cells)):
        if unknown := [name for name in given if name not in allowed]:
            parser.error(f"there is no {unknown[0]}; allowed: {', '.join(allowed)}")
    if options.rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads are at least 1")
    return options


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
