"""Auto-PGD (Croce and Hein, ICML 2020, arXiv 2003.01690, algorithm 1), in Linf and l2; in l1 see ``apgd_l1``.

Projected gradient ascent with momentum that sizes its own steps: it begins with twice the radius, and at
checkpoints that come ever closer it halves the step, and goes back to the best point, of each image that
rose too seldom or has not got higher. Nothing to tune but the number of steps. Here, too, every iterate
counts and what is fooled leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial

import torch
from torch import Tensor, nn

from cartl_core.attacks.apgd_l1 import climb_l1
from cartl_core.attacks.attack_state import AttackOutcome, AttackState, packed
from cartl_core.attacks.losses import OBJECTIVES, Objective, targeted_ratio, targets
from cartl_core.attacks.norm_balls import BALLS, Ball
from cartl_core.attacks.random_starts import AttackRandomness, starts_for
from cartl_core.attacks.uphill import Aim, look
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.spec import AttackSpec

MOMENTUM = 0.75
"""Share of the gradient's move; the rest repeats the last move."""
RISES = 0.75
"""A window in which a smaller share of the steps went up halves the step."""
FIRST_WINDOW, SHORTER, SHORTEST = 22, 3, 6
"""Percent of all steps: the first window between checkpoints, how much shorter each next one is, the
least."""


def run_apgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    randomness: AttackRandomness | None = None,
    skip: Tensor | None = None,
) -> AttackOutcome:
    """Does any iterate of any restart fool ``model``? With ``targeted_dlr``, of any target, too.

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) int64, the true classes.
        attack: norm (linf, l2, l1), loss (ce, dlr, targeted_dlr), radius, steps and restarts.
        randomness: gives the first perturbation (N, C, H, W) of each try, 0 onwards; a restart of a targeted
            attack is a try for each target. Needed when ``attack.random_start``.
        skip: (N,) bool, images that count as broken and are not attacked.

    Raises:
        ValueError: the attack starts at random and ``randomness`` is missing, or there are too few classes.
    """
    start_of = starts_for(attack, randomness)
    with preserve_model_state(model):
        state = AttackState.begin(model, images, labels, skip, attack.samples)
        for number, aim in enumerate(_tries(state, attack)):
            if state.broken.all():
                break
            climb = climb_l1 if attack.norm == "l1" else _climb
            climb(state, attack, aim, start_of(number))
    return state.outcome()


def checkpoints(steps: int) -> list[int]:
    """Numbers of steps after which the size of the steps is judged, rising, all below ``steps``."""
    found, at, window = set(), FIRST_WINDOW, FIRST_WINDOW
    while (number := -(-at * steps // 100)) < steps:
        found.add(number)
        window = max(window - SHORTER, SHORTEST)
        at += window
    return sorted(found)


def _tries(state: AttackState, attack: AttackSpec) -> Iterator[Aim]:
    """Restarts, and in each of them targets."""
    for _ in range(attack.restarts):
        if attack.loss != "targeted_dlr":
            yield partial(_away, OBJECTIVES[attack.loss], state.labels)
            continue
        for aimed_at in targets(state.logits, state.labels, attack.targets).unbind(1):
            yield partial(_towards, state.labels, aimed_at)


def _away(objective: Objective, labels: Tensor, logits: Tensor, where: Tensor) -> Tensor:
    return objective(logits, labels[where])


def _towards(labels: Tensor, aimed_at: Tensor, logits: Tensor, where: Tensor) -> Tensor:
    return targeted_ratio(logits, labels[where], aimed_at[where])


@dataclass(frozen=True)
class _Climbers:
    """The images under attack, a row each, and how far they are.

    Attributes:
        where: (rows,) which images of the batch.
        images: (rows, C, H, W), as are the points and gradients.
        size: (rows,) length of the next step; ``last_size`` that before the last checkpoint.
        rises: (rows,) steps since then that went up; ``last_best`` the best value then.
    """

    where: Tensor
    images: Tensor
    point: Tensor
    before: Tensor
    value: Tensor
    uphill: Tensor
    best: Tensor
    best_value: Tensor
    best_uphill: Tensor
    size: Tensor
    last_size: Tensor
    last_best: Tensor
    rises: Tensor

    def only(self, rows: Tensor) -> _Climbers:
        """The rows of these numbers."""
        return _Climbers(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def _climb(state: AttackState, attack: AttackSpec, aim: Aim, start: Tensor | None) -> None:
    """One try on all images that stand."""
    ball, judged = BALLS[attack.norm], checkpoints(attack.steps)
    climbers = _begin(state, attack, aim, start, ball)
    last = 0
    for number in range(1, attack.steps + 1):
        robust = ~state.broken[climbers.where]
        if not robust.any():
            return
        if (rows := packed(robust)) is not None:
            climbers = climbers.only(rows)
        climbers = _step(state, attack, aim, climbers, ball, first=number == 1)
        if number in judged:
            climbers, last = _judged(climbers, number - last), number
    robust = ~state.broken[climbers.where]
    state.adversarial[climbers.where[robust]] = climbers.best[robust]


def _begin(state: AttackState, attack: AttackSpec, aim: Aim, start: Tensor | None, ball: Ball) -> _Climbers:
    where = state.entering()
    images = state.images[where]
    point = images.clone()
    if start is not None:
        moved = images + start.to(state.images)[where]
        point = ball.project(moved, ball.bounds(images, attack.eps), attack.eps)
    value, uphill = _look(state, aim, point, where)
    size = torch.full_like(value, 2 * attack.eps)
    rises = torch.zeros_like(value)
    return _Climbers(
        where, images, point, point, value, uphill, point, value, uphill, size, size, value, rises
    )


def _look(state: AttackState, aim: Aim, point: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """The value of each row and its gradient; who is fooled is noted."""
    logits, value, uphill = look(state.model, point, partial(aim, where=where), state.samples)
    state.note(logits, point, where)
    return value, uphill


def _step(
    state: AttackState, attack: AttackSpec, aim: Aim, now: _Climbers, ball: Ball, *, first: bool
) -> _Climbers:
    """Up the gradient, on along the last move, back into the ball."""
    bounds = ball.bounds(now.images, attack.eps)
    stride = now.size.view(-1, 1, 1, 1) * ball.steepest(now.uphill, now.point)
    point = ball.project(now.point + stride, bounds, attack.eps)
    if not first:
        moved = MOMENTUM * (point - now.point) + (1 - MOMENTUM) * (now.point - now.before)
        point = ball.project(now.point + moved, bounds, attack.eps)
    value, uphill = _look(state, aim, point, now.where)
    higher = value > now.best_value
    return replace(
        now,
        point=point,
        before=now.point,
        value=value,
        uphill=uphill,
        best=_either(higher, point, now.best),
        best_value=_either(higher, value, now.best_value),
        best_uphill=_either(higher, uphill, now.best_uphill),
        rises=now.rises + (value > now.value),
    )


def _judged(now: _Climbers, window: int) -> _Climbers:
    """Half the step, and back to the best point, where the last ``window`` steps did not pay."""
    stuck = (now.size == now.last_size) & (now.best_value == now.last_best)
    halved = (now.rises < RISES * window) | stuck
    return replace(
        now,
        size=_either(halved, now.size / 2, now.size),
        last_size=now.size,
        last_best=now.best_value,
        rises=torch.zeros_like(now.rises),
        point=_either(halved, now.best, now.point),
        value=_either(halved, now.best_value, now.value),
        uphill=_either(halved, now.best_uphill, now.uphill),
    )


def _either(rows: Tensor, this: Tensor, other: Tensor) -> Tensor:
    """Rows of ``this`` where ``rows`` (rows,) is true, of ``other`` elsewhere."""
    return torch.where(rows.view(-1, *[1] * (this.dim() - 1)), this, other)
