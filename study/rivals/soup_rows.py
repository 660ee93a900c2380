"""A soup as a row: made of the weights that were kept, judged on validation and on test images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.network import Network
from cartl_core.training.validation import clean_accuracy, robust_accuracy
from study.evaluation import evaluate
from study.plan import Cell, arm_of
from study.rivals.plan import SoupPlan
from study.rivals.soups import State, greedy, mean_state, one_figure
from study.rows import Row
from study.runner import StudyRunner
from study.tune import Tuned, network_of, validation_attack


def soup_row(
    runner: StudyRunner, pair: str, seed: int, name: str, soup: SoupPlan, rows: dict[tuple[str, int], Row]
) -> Row:
    """One soup of a pair and seed; its row can stand where that of a cell with one epoch can.

    Args:
        rows: the finished cells of the pair and seed, by method and k; every ingredient is among them.
    """
    began = time.process_time()
    cells = [Cell(pair, seed, method, k) for method, k in soup.of]
    teacher = runner.teacher(cells[0])
    last = [
        runner.tuned_again(cell, runner.teacher(cell), rows[cell.method, cell.k]).states[-1] for cell in cells
    ]
    found: dict[tuple[int, ...], tuple[float, float]] = {}

    def score_of(taken: tuple[int, ...]) -> float:
        found[taken] = validated(runner, cells[0], teacher.network, [last[place] for place in taken])
        return one_figure(*found[taken])

    taken = tuple(range(len(cells)))
    if soup.recipe == "greedy":
        ends = [rows[cell.method, cell.k]["validation"][-1] for cell in cells]
        taken = greedy([one_figure(*end) for end in ends], score_of)
    if taken not in found:
        score_of(taken)
    states = [last[place] for place in taken]
    evaluation = runner.task(pair, seed).evaluation
    with runner.scratch(runner.student_key(cells[0])[0]) as ctx:
        network = network_of_soup(runner, cells[0], teacher.network, states, ctx)
        outcome = evaluate(network, replace(evaluation, attacks=evaluation.attacks[:1]), ctx)
    return {
        "kind": "soup",
        "cell": f"{pair}/{seed}/{name}/soup",
        "pair": pair,
        "seed": seed,
        "method": name,
        "k": max(cell.k for cell in cells),
        "of": [cell.name for cell in cells],
        "taken": [cells[place].name for place in taken],
        "validation": [list(found[taken])],
        "chosen": 1,
        "outcomes": {"1": outcome},
        "seconds": round(time.process_time() - began, 1),
        **runner.origin(),
    }


def validated(runner: StudyRunner, cell: Cell, teacher: Path, states: Sequence[State]) -> tuple[float, float]:
    """(clean, robust) accuracy of a soup on the validation images, as a student has them after an epoch."""
    rules, data = runner.plan.rules, runner.task(cell.pair, cell.seed).target.validation
    attack = validation_attack(runner.plan.pairs[cell.pair], rules)
    with runner.scratch(runner.student_key(cell)[0]) as ctx:
        network = network_of_soup(runner, cell, teacher, states, ctx)
        clean = clean_accuracy(network, data, ctx)
        limit = rules.validation_images
        return clean, robust_accuracy(network, data, attack, limit=limit, seed=cell.seed, ctx=ctx)


def network_of_soup(
    runner: StudyRunner, cell: Cell, teacher: Path, states: Sequence[State], ctx: StageContext
) -> Network:
    """The mean of the states in the network of ``cell``."""
    tuned = Tuned([(0.0, 0.0)], [mean_state(states)], [0.0])
    classes = len(runner.task(cell.pair, cell.seed).target.class_names)
    return network_of(tuned, 1, arm_of(runner.plan, cell), teacher, classes, seed=cell.seed, ctx=ctx)
