"""``python -m study run``: the cells of the plan that have no row yet, one after the other, then the
evaluations of what the comparison chooses among them.

``python -m study strongest`` attacks what the comparison chose with an ensemble of other attacks.

``python -m study radii`` attacks finished cells at growing radii.

``python -m study show`` prints the tables of what was run so far.

SIGTERM or SIGINT stops between two steps; the cell under way leaves no row, its teacher a checkpoint. Several
processes may run at once on different pairs.
"""

from __future__ import annotations

import argparse
import fcntl
import itertools
import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cartl_core.errors import Interruption
from cartl_core.storage.stop_flag import StopFlag
from study import evaluation_rows
from study.compared import unevaluated, unweighed
from study.evaluation import ATTACKS_OF_THE_GRID
from study.plan import (
    PLAN,
    Cell,
    Plan,
    begun,
    cells,
    once_more,
    read_plan,
)
from study.radii import cells_without_radii, robust_shares
from study.rows import RESULTS, append_row, read_rows, students, teachers
from study.runner import StudyRunner
from study.strongest import unattacked
from study.study_results import StudyResults, read_results
from study.tables import TABLES

log = logging.getLogger("study")
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run what is left of the plan; 130 when it was stopped."""
    asked = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    stop = StopFlag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.request("interrupted"))
    plan = read_plan(asked.plan)
    if asked.command == "show":
        sys.stdout.write(shown(read_results(asked.results, plan)))
        return 0
    if asked.rounds is not None:
        plan = begun(plan, asked.rounds)
    runner = StudyRunner(plan, work=asked.work, data_root=asked.data_root, threads=asked.threads, stop=stop)
    try:
        if asked.command == "run":
            for cell in wanted(plan, asked):
                with _alone(asked.work, cell.pair):
                    run_cell(runner, cell, asked.results)
        afterwards = {"run": evaluate_points, "strongest": attack_strongly, "radii": attack_radii}[
            asked.command
        ]
        for pair, seed in read_results(asked.results, plan).everywhere():
            if all(
                not chosen or value in chosen for chosen, value in ((asked.pair, pair), (asked.seed, seed))
            ):
                with _alone(asked.work, pair):
                    afterwards(runner, pair, seed, asked.results)
    except Interruption:
        log.info("stopped; the same command goes on")
        return INTERRUPTED
    return 0


def shown(results: StudyResults) -> str:
    """Every table that has a finished cell to show, under its name; pairs without one are left out."""
    started = {pair: rows for pair, rows in results.rows.items() if rows}
    pairs = {pair: results.plan.pairs[pair] for pair in started}
    found = replace(results, plan=results.plan.model_copy(update={"pairs": pairs}), rows=started)
    return "\n".join(f"{name}\n\n{table(found)}\n" for name, table in TABLES.items())


def wanted(plan: Plan, asked: argparse.Namespace) -> Iterator[Cell]:
    """The cells that are asked for (nothing said: all), in the plan's order, while there is time."""
    began = time.monotonic()
    for cell in itertools.chain(cells(plan), cells(once_more(plan))):
        if asked.until is not None and time.monotonic() - began > 60 * asked.until:
            log.info("out of time; the same command goes on")
            return
        named = (
            (asked.pair, cell.pair),
            (asked.seed, cell.seed),
            (asked.k, cell.k),
            (asked.method, cell.method),
        )
        if all(not chosen or value in chosen for chosen, value in named):
            yield cell


def run_cell(
    runner: StudyRunner,
    cell: Cell,
    folder: Path,
    *,
    on_teacher: int | None = None,
    on_student: int = ATTACKS_OF_THE_GRID,
) -> None:
    """Append the row of a cell, and that of its teacher, where they are missing.

    Args:
        on_teacher: attacks on it, from the first; None: all.
        on_student: likewise, after its last epoch.
    """
    rows = read_rows(cell.pair, folder)
    if cell.name in {row["cell"] for row in students(rows)}:
        return
    began = time.process_time()
    teacher = runner.teacher(cell)
    if teacher.key.digest not in {row["digest"] for row in teachers(rows)}:
        seconds = time.process_time() - began
        row = evaluation_rows.teacher_row(runner, cell, teacher, seconds, attacks=on_teacher)
        append_row(cell.pair, row, folder)
    row = evaluation_rows.cell_row(runner, cell, teacher, attacks=on_student)
    append_row(cell.pair, row, folder)
    clean, robust = row["validation"][row["chosen"] - 1]
    log.info("%s: epoch %d, validation %.3f clean, %.3f robust", cell.name, row["chosen"], clean, robust)


def evaluate_points(runner: StudyRunner, pair: str, seed: int, folder: Path) -> None:
    """Append what every candidate of ``auto`` held, and the evaluation of every point that is compared."""
    for point in unweighed(read_results(folder, runner.plan), pair, seed):
        cell = Cell(pair, seed, point.row["method"], point.row["k"])
        row = evaluation_rows.validation_row(runner, cell, runner.teacher(cell), point.epoch, point.row)
        append_row(pair, row, folder)
    for point, attacks in unevaluated(read_results(folder, runner.plan), pair, seed):
        cell = Cell(pair, seed, point.row["method"], point.row["k"])
        log.info("%s: evaluation after epoch %d", cell.name, point.epoch)
        teacher = runner.teacher(cell)
        row = evaluation_rows.evaluation_row(runner, cell, teacher, point.epoch, point.row, attacks=attacks)
        append_row(pair, row, folder)


def attack_strongly(runner: StudyRunner, pair: str, seed: int, folder: Path) -> None:
    """Append what the ensemble leaves of every point that the comparison of a pair and seed chose."""
    results = read_results(folder, runner.plan).of_seed(pair, seed)
    for point in unattacked(results, pair, seed):
        cell = Cell(pair, seed, point.row["method"], point.row["k"])
        log.info("%s: ensemble after epoch %d", cell.name, point.epoch)
        row = evaluation_rows.strongest_row(runner, cell, runner.teacher(cell), point.epoch, point.row)
        append_row(pair, row, folder)


def attack_radii(runner: StudyRunner, pair: str, seed: int, folder: Path) -> None:
    """Append what each cell of a pair and seed that is to be looked at withstands at each radius, once."""
    for row in cells_without_radii(read_results(folder, runner.plan), pair, seed):
        cell = Cell(pair, seed, row["method"], row["k"])
        found = evaluation_rows.radii_row(runner, cell, runner.teacher(cell), row)
        append_row(pair, found, folder)
        log.info("%s: %s", cell.name, ", ".join(f"{value:.3f}" for value in robust_shares(found)))


@contextmanager
def _alone(work: Path, pair: str) -> Iterator[None]:
    """Wait until no other process runs cells of this pair in this work folder."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / f"{pair}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def parser() -> argparse.ArgumentParser:
    """Of the command."""
    made = argparse.ArgumentParser(prog="python -m study", description=__doc__)
    made.add_argument("command", choices=["run", "strongest", "radii", "show"])
    made.add_argument(
        "--work", type=Path, default=Path(".cartl/study"), help="teachers and packed data; never committed"
    )
    made.add_argument("--data-root", type=Path, default=Path(".cartl/data"))
    made.add_argument("--plan", type=Path, default=PLAN)
    made.add_argument("--results", type=Path, default=RESULTS)
    made.add_argument("--pair", action="append", default=[], help="only this pair; may be repeated")
    made.add_argument("--seed", action="append", type=int, default=[], help="only this seed")
    made.add_argument("--k", action="append", type=int, default=[], help="only so many blocks tuned")
    made.add_argument("--method", action="append", default=[], help="only this method")
    made.add_argument("--rounds", type=int, help="only so many rounds of the plan, from its first")
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--until", type=float, help="begin no cell after so many minutes")
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
