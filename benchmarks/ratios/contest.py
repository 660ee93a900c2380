"""A row of the table, and how it is measured: everybody once a round, by turns, ratios and medians.

The machine's other work, and its clock, move the times of a run by tens of per cent. They move all who
take turns alike, so a ratio is taken in each round, and the median of these is the figure.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Task = Callable[[], object]
"""Does once what is measured."""


def processor_seconds(task: Task) -> float:
    """Of this process, all its threads: what neighbours take from it does not count."""
    began = time.process_time()
    task()
    return time.process_time() - began


def what_it_returns(task: Task) -> float:
    """For tasks that measure themselves, e.g. the peak memory of a process of their own."""
    returned = task()
    assert isinstance(returned, int | float), "a task that measures itself returns a number"
    return float(returned)


@dataclass(frozen=True)
class Contest:
    """Ways to the same end, ready to be measured.

    Attributes:
        ours: as this library does it.
        rivals: other ways, by name; at least one.
        facts: of the cell, for the file of results.
    """

    ours: Task
    rivals: Mapping[str, Task]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: of its file of results; lower case with hyphens.
        what: is measured, e.g. "FDM step, fp32".
        against: whom, e.g. "a plain loop".
        aim: times that ours should be better than the first rival; None: it is only shown.
        cells: by name, what prepares a contest; not called before its turn, so it may build networks.
        cost: of one task; less is better.
        unit: of ``cost``.
        warm_up: everybody once, unmeasured; not where each task is a process of its own.
    """

    name: str
    what: str
    against: str
    aim: float | None
    cells: Mapping[str, Callable[[], Contest]]
    cost: Callable[[Task], float] = processor_seconds
    unit: str = "processor seconds"
    warm_up: bool = True


@dataclass(frozen=True)
class Standing:
    """One rival beside ours.

    Attributes:
        median: of its costs.
        times: median over rounds of its cost over ours: above 1, ours is better.
        lowest: of these ratios.
        highest: of these ratios.
    """

    median: float
    times: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Outcome:
    """What a contest came to; ``ours`` is the median of our costs."""

    rounds: int
    ours: float
    rivals: Mapping[str, Standing]


def measure(
    contest: Contest, cost: Callable[[Task], float], *, rounds: int, seconds: float, warm_up: bool = True
) -> Outcome:
    """Let everybody take turns.

    Args:
        rounds: at most.
        seconds: of wall time, after which no further round begins; one is always made.
        warm_up: everybody once before the first round, unmeasured.
    """
    tasks = [contest.ours, *contest.rivals.values()]
    costs: list[list[float]] = []
    deadline = time.monotonic() + seconds
    if warm_up:
        for task in tasks:
            task()
    while len(costs) < rounds and (not costs or time.monotonic() < deadline):
        costs.append([cost(task) for task in tasks])
    mine, *theirs = (list(column) for column in zip(*costs, strict=True))
    standings = {name: _standing(its, mine) for name, its in zip(contest.rivals, theirs, strict=True)}
    return Outcome(len(costs), statistics.median(mine), standings)


def _standing(its: list[float], mine: list[float]) -> Standing:
    ratios = [one / other for one, other in zip(its, mine, strict=True)]
    return Standing(statistics.median(its), statistics.median(ratios), min(ratios), max(ratios))
