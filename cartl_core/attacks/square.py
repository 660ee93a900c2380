"""Square (Andriushchenko et al., ECCV 2020, arXiv 1912.00049), in Linf, l2 and l1: a black box.

Random search that only asks for logits: each step changes a square window, and keeps the change where
the margin of the true class got smaller. No gradient, so a network that hides its gradients hides
nothing from it. The windows shrink on the schedule of the paper. What is fooled leaves.

The paper stretches its schedule of 10,000 queries over any budget; AutoAttack (arXiv 2003.01690) walks its
first half with 5,000 queries. Ours is both: a budget from 5,000 up walks the schedule as it stands, a
smaller one walks the first half faster.

In l2 we differ after query 5,000: every second query turns a single pixel. A window of the published search
is three pixels wide or more and holds half of a fixed pattern, so that near an optimum as ragged as a
gradient every move is too coarse: on a linear model of 2 x 8 x 8 pixels the published search reached 65 % of
the closed form with 3,000 queries here and 58 % in torchattacks. Turning pixels, ours comes within 1 %. In l1
(Croce and Hein, arXiv 2103.01208) an optimum is a few pixels: there every second of those queries moves one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn

from cartl_core.attacks import square_proposals as proposals
from cartl_core.attacks import square_proposals_l1 as proposals_l1
from cartl_core.attacks.attack_state import AttackOutcome, AttackState, packed
from cartl_core.attacks.losses import margin
from cartl_core.attacks.random_starts import AttackRandomness
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.attack import Norm

FIRST_SHARE = 0.8
"""Of the image that the first windows cover, as in AutoAttack."""
HALVED_AT = (10, 50, 200, 1000, 2000, 4000, 6000, 8000)
"""Steps after which the windows cover half as much, of a search of ``SCHEDULED`` steps or more."""
SCHEDULED = 5_000
CHAPTER = 100
"""Steps whose random numbers are drawn at once."""

Draws = Callable[[int, int, int], Tensor]
"""Of restart, chapter and count: uniform numbers (N, count) in [0, 1); chapter 0 is the start."""


@dataclass(frozen=True)
class _Proposals:
    """The search of one norm; ``first_count`` and ``count`` are numbers needed by the first and each move.

    ``first`` and ``next`` give candidates (rows, C, H, W) inside the ball; ``next`` is given the side of
    the window.
    """

    first_count: Callable[[Tensor], int]
    first: Callable[[Tensor, float, Tensor], Tensor]
    count: Callable[[Tensor], int]
    next: Callable[[Tensor, Tensor, float, int, Tensor], Tensor]
    fine: Callable[[Tensor, Tensor, float, Tensor], Tensor] | None
    """Beside ``next`` from step ``SCHEDULED`` on, where windows alone never arrive."""
    sides: Callable[[int], int]
    """The side that a window wished to be this wide has."""


PROPOSALS: dict[Norm, _Proposals] = {
    "linf": _Proposals(
        proposals.stripes_count,
        proposals.stripes,
        proposals.window_count,
        proposals.window,
        None,
        proposals.any_side,
    ),
    "l2": _Proposals(
        proposals.tiles_count,
        proposals.tiles,
        proposals.exchange_count,
        proposals.exchange,
        proposals.turn,
        proposals.odd_side,
    ),
    "l1": _Proposals(
        proposals.tiles_count,
        proposals_l1.tiles,
        proposals.exchange_count,
        proposals_l1.exchange,
        proposals_l1.shift,
        proposals.odd_side,
    ),
}


def run_square(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    randomness: AttackRandomness | None = None,
    skip: Tensor | None = None,
) -> AttackOutcome:
    """Does any of ``attack.steps`` queries, or the start, of any restart fool ``model``?

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits; no gradient is asked of it.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) int64, the true classes.
        attack: norm (linf, l2, l1), radius, queries and restarts.
        randomness: the random numbers, by restart and chapter; the start is chapter 0.
        skip: (N,) bool, images that count as broken and are not attacked.

    Raises:
        ValueError: ``randomness`` is missing.
    """
    if randomness is None:
        raise ValueError(f"attack {attack.label} is random: randomness must be given")
    with preserve_model_state(model), torch.no_grad():
        state = AttackState.begin(model, images, labels, skip)
        for restart in range(attack.restarts):
            if not state.broken.all():
                _search(state, attack, restart, randomness.numbers)
    return state.outcome()


def window_side(step: int, steps: int, images: Tensor, norm: Norm) -> int:
    """Pixels along a side of the window of step ``step``, 0 onwards."""
    height, width = images.shape[2:]
    at = step * max(1.0, SCHEDULED / steps)
    halvings = sum(at > halved for halved in HALVED_AT)
    side = round(sqrt(FIRST_SHARE * 0.5**halvings * height * width))
    return min(PROPOSALS[norm].sides(side), height, width)


def _search(state: AttackState, attack: AttackSpec, restart: int, draws: Draws) -> None:
    """One restart on all images that stand."""
    proposals_of_norm = PROPOSALS[attack.norm]
    where = state.entering()
    images = state.images[where]
    first = draws(restart, 0, proposals_of_norm.first_count(images)).to(images)
    point = proposals_of_norm.first(images, attack.eps, first[where])
    value = _ask(state, point, where)
    for step in range(attack.steps):
        robust = ~state.broken[where]
        if not robust.any():
            return
        if step % CHAPTER == 0:
            numbers = _numbers(state, draws, restart, 1 + step // CHAPTER, proposals_of_norm.count(images))
        if (rows := packed(robust)) is not None:
            where, images, point, value = (part[rows] for part in (where, images, point, value))
        chances = numbers[where, step % CHAPTER]
        if proposals_of_norm.fine is not None and step >= SCHEDULED and step % 2:
            tried = proposals_of_norm.fine(images, point, attack.eps, chances)
        else:
            side = window_side(step, attack.steps, images, attack.norm)
            tried = proposals_of_norm.next(images, point, attack.eps, side, chances)
        gained = _ask(state, tried, where)
        better = gained > value
        point = torch.where(better.view(-1, 1, 1, 1), tried, point)
        value = torch.where(better, gained, value)
    robust = ~state.broken[where]
    state.adversarial[where[robust]] = point[robust]


def _numbers(state: AttackState, draws: Draws, restart: int, chapter: int, count: int) -> Tensor:
    """(N, CHAPTER, count), where the images are."""
    return draws(restart, chapter, CHAPTER * count).view(-1, CHAPTER, count).to(state.images)


def _ask(state: AttackState, point: Tensor, where: Tensor) -> Tensor:
    """(rows,): how much the best other class wins by; who is fooled is noted."""
    logits = state.model(point)
    state.note(logits, point, where)
    return margin(logits, state.labels[where])
