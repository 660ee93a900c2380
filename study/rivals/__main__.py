"""``python -m study.rivals``: the cells of its plan that have no row yet, then soups and what is chosen.

SIGTERM or SIGINT stops between two steps; the same command goes on. Several processes may run at once on
different pairs.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from cartl_core.errors import Interruption
from cartl_core.storage.stop_flag import StopFlag
from study import evaluation_rows
from study.__main__ import INTERRUPTED, run_cell
from study.plan import Cell, Plan, begun, cells
from study.rivals.choices import soup_rows, unexamined
from study.rivals.plan import PLAN, RESULTS, RivalsPlan, read_rivals_plan
from study.rivals.soup_rows import soup_row
from study.rows import append_row
from study.runner import StudyRunner
from study.study_results import read_results

log = logging.getLogger("study.rivals")
ATTACKS = 1
"""On test images: PGD-20 alone."""


def main(arguments: list[str]) -> int:
    """Run what is left; 130 when it was stopped."""
    asked = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    stop = StopFlag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.request("interrupted"))
    plan = read_rivals_plan(asked.plan)
    runner = StudyRunner(plan, work=asked.work, data_root=asked.data_root, threads=1, stop=stop)
    try:
        for (pair, seed), wanted in groups(begun(plan, asked.rounds or len(plan.rounds)), asked).items():
            run_seed(runner, plan, pair, seed, wanted, asked.results)
    except Interruption:
        log.info("stopped; the same command goes on")
        return INTERRUPTED
    return 0


def groups(plan: Plan, asked: argparse.Namespace) -> dict[tuple[str, int], list[Cell]]:
    """The cells that are asked for, those of one pair and seed together, in the plan's order."""
    found: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells(plan):
        named = ((asked.pair, cell.pair), (asked.seed, cell.seed), (asked.method, cell.method))
        if all(not chosen or value in chosen for chosen, value in named):
            found.setdefault((cell.pair, cell.seed), []).append(cell)
    return found


def run_seed(
    runner: StudyRunner, plan: RivalsPlan, pair: str, seed: int, wanted: list[Cell], folder: Path
) -> None:
    """Append the rows of these cells; then of the soups whose students are there, and of what is chosen."""
    # Only what is compared is attacked on test images: what is chosen, or the last epochs across domains.
    on_student = ATTACKS if pair in plan.across else 0
    for cell in wanted:
        run_cell(runner, cell, folder, on_teacher=ATTACKS, on_student=on_student)
    if pair in plan.across:
        return
    results = read_results(folder, plan)
    finished = {(row["method"], row["k"]): row for row in results.cells(pair, seed)}
    made = {row["method"] for row in soup_rows(results, pair, seed)}
    for name, soup in plan.soups.items():
        if name not in made and set(soup.of) <= set(finished):
            append_row(pair, soup_row(runner, pair, seed, name, soup, finished), folder)
            log.info("%s/%d/%s", pair, seed, name)
    for point in unexamined(plan, read_results(folder, plan), pair, seed):
        cell = Cell(pair, seed, point.row["method"], point.row["k"])
        teacher = runner.teacher(cell)
        row = evaluation_rows.evaluation_row(runner, cell, teacher, point.epoch, point.row, attacks=ATTACKS)
        append_row(pair, row, folder)
        log.info("%s: examined after epoch %d", cell.name, point.epoch)


def parser() -> argparse.ArgumentParser:
    """Of the command."""
    made = argparse.ArgumentParser(prog="python -m study.rivals", description=__doc__)
    made.add_argument("--work", type=Path, default=Path(".cartl/study-rivals"), help="never committed")
    made.add_argument("--data-root", type=Path, default=Path(".cartl/data"))
    made.add_argument("--plan", type=Path, default=PLAN)
    made.add_argument("--results", type=Path, default=RESULTS)
    made.add_argument("--pair", action="append", default=[], help="only this pair; may be repeated")
    made.add_argument("--seed", action="append", type=int, default=[], help="only this seed")
    made.add_argument("--method", action="append", default=[], help="only this method")
    made.add_argument("--rounds", type=int, help="only so many rounds of the plan, from its first")
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
