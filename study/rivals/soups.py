"""Soups: the mean of students' weights, without training (Wortsman et al., ICML 2022, arXiv 2203.05482).

Students that share a teacher and the seed of the new head lie near enough to each other for that. Statistics
of batch norm are averaged like weights; counts of batches are the first student's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

State = dict[str, Tensor]


def mean_state(states: Sequence[State]) -> State:
    """The mean of every floating tensor, in its own type; the first state's of every other.

    Raises:
        ValueError: there is none, or they have other names or shapes than the first.
    """
    if not states:
        raise ValueError("a soup needs a student")
    first = states[0]
    for state in states[1:]:
        if {name: value.shape for name, value in state.items()} != {
            name: value.shape for name, value in first.items()
        }:
            raise ValueError("students of one soup must have the same tensors; give them one network")
    return {
        name: torch.stack([state[name].double() for state in states]).mean(dim=0).to(value.dtype)
        if value.is_floating_point()
        else value.clone()
        for name, value in first.items()
    }


def greedy(scores: Sequence[float], score_of: Callable[[tuple[int, ...]], float]) -> tuple[int, ...]:
    """Which students a greedy soup takes in, by their places in ``scores``, the best one first.

    From the best on each is tried once and stays where the soup with it scores no less than without. So the
    soup never scores less than the best student.

    Args:
        scores: of each student alone; of equal ones the first comes first.
        score_of: of the soup of these students.

    Raises:
        ValueError: there is none.
    """
    if not scores:
        raise ValueError("a soup needs a student")
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    taken: tuple[int, ...] = (order[0],)
    best = scores[order[0]]
    for place in order[1:]:
        found = score_of((*taken, place))
        if found >= best:
            taken, best = (*taken, place), found
    return taken


def one_figure(clean: float, robust: float) -> float:
    """What a greedy soup goes by: the mean of both accuracies."""
    return (clean + robust) / 2
