"""Auto-PGD in l1 (Croce and Hein, "Mind the box", ICML 2021, arXiv 2103.01208, algorithm 1).

A step of length eta moves the k steepest coordinates by eta / k each. How sparse steps are follows how sparse
the best perturbation is, and a step is shortened only once that sparsity has settled. The attack begins in a
ball three times as large, goes on in one twice as large, and ends in its own: the shares of the steps and all
other constants are those of the source. What is misclassified outside the attack's own ball breaks nothing.

Two things are ours. The way back into ball and box is that of ``norm_balls``. And a coordinate that is at its
wall and would leave [0, 1] is not among the k, since it cannot move.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial

import torch
from torch import Tensor

from cartl_core.attacks.attack_state import AttackState, packed
from cartl_core.attacks.norm_balls import BALLS
from cartl_core.attacks.uphill import Aim, look
from cartl_core.spec import AttackSpec

BALL = BALLS["l1"]
PHASES = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4))
"""Radius as a multiple of the attack's own, and the share of its steps."""
WINDOW = 0.04
"""Share of a phase's steps between two looks at the sparsity."""
DENSER = 1.5
"""k is the number of changed coordinates of the best point over this; steps shrink by it as well."""
SETTLED = 0.95
"""A perturbation that keeps this share of its coordinates has settled."""
SHORTEST = 10.0
"""The longest step, which is the radius, over the shortest."""
FIRST_SHARE = 0.2
"""Of all coordinates, those that the first steps from the image itself move."""


@dataclass(frozen=True)
class _Rows:
    """The images under attack, a row each.

    Attributes:
        where: (rows,) which images of the batch.
        images: (rows, C, H, W), as are the points and gradients.
        size: (rows,) length of the next step.
        moves: (rows,) coordinates that it moves.
        before: (rows,) coordinates that the best perturbation had at the last look.
    """

    where: Tensor
    images: Tensor
    point: Tensor
    uphill: Tensor
    best: Tensor
    best_value: Tensor
    best_uphill: Tensor
    size: Tensor
    moves: Tensor
    before: Tensor

    def only(self, rows: Tensor) -> _Rows:
        """The rows of these numbers."""
        return _Rows(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def phases(eps: float, steps: int) -> Iterator[tuple[float, int]]:
    """Radius and steps of each phase, the attack's own ball last; together ``steps``."""
    left = steps
    for times, share in PHASES[:-1]:
        taken = int(share * steps)
        left -= taken
        yield times * eps, taken
    yield eps, left


def climb_l1(state: AttackState, attack: AttackSpec, aim: Aim, start: Tensor | None) -> None:
    """One try on all images that stand.

    Args:
        start: (N, C, H, W) inside the attack's own ball; it is stretched to the first phase's.
    """
    where = state.entering()
    images = state.images[where]
    point = images if start is None else images + PHASES[0][0] * start.to(images)[where]
    for eps, steps in phases(attack.eps, attack.steps):
        rows = _begin(state, aim, where, point, eps, attack.eps)
        window = max(int(WINDOW * steps), 1)
        for number in range(1, steps + 1):
            robust = ~state.broken[rows.where]
            if not robust.any():
                return
            if (kept := packed(robust)) is not None:
                rows = rows.only(kept)
            rows = _step(state, aim, rows, eps, own=eps == attack.eps)
            if number % window == 0:
                rows = _judged(rows, eps)
        where, point = rows.where, rows.best
    robust = ~state.broken[where]
    state.adversarial[where[robust]] = point[robust]


def _begin(state: AttackState, aim: Aim, where: Tensor, point: Tensor, eps: float, own: float) -> _Rows:
    images = state.images[where]
    point = BALL.project(point, BALL.bounds(images, eps), eps)
    value, uphill = _look(state, aim, point, where, counts=eps == own)
    changed, size = _changed(images, point), images[0].numel()
    fresh = changed == 0
    return _Rows(
        where,
        images,
        point,
        uphill,
        point,
        value,
        uphill,
        size=torch.full_like(value, eps),
        moves=torch.where(fresh, FIRST_SHARE * size, changed / DENSER),
        before=changed.masked_fill(fresh, float(size)),
    )


def _look(
    state: AttackState, aim: Aim, point: Tensor, where: Tensor, *, counts: bool
) -> tuple[Tensor, Tensor]:
    """The value of each row and its gradient; who is fooled is noted where it ``counts``."""
    logits, value, uphill = look(state.model, point, partial(aim, where=where), state.samples)
    state.note(logits, point, where, counts=None if counts else torch.zeros_like(where, dtype=torch.bool))
    return value, uphill


def _step(state: AttackState, aim: Aim, now: _Rows, eps: float, *, own: bool) -> _Rows:
    moved = now.point + now.size.view(-1, 1, 1, 1) * _sparse(now.uphill, now.point, now.moves)
    point = BALL.project(moved, BALL.bounds(now.images, eps), eps)
    value, uphill = _look(state, aim, point, now.where, counts=own)
    higher = value > now.best_value
    return replace(
        now,
        point=point,
        uphill=uphill,
        best=_either(higher, point, now.best),
        best_value=torch.where(higher, value, now.best_value),
        best_uphill=_either(higher, uphill, now.best_uphill),
    )


def _sparse(uphill: Tensor, point: Tensor, moves: Tensor) -> Tensor:
    """(rows, C, H, W) of l1 norm 1: the signs of the ``moves`` (rows,) steepest coordinates that can move."""
    flat, at = uphill.flatten(1).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0), point.flatten(1)
    stuck = ((flat > 0) & (at >= 1)) | ((flat < 0) & (at <= 0))
    size = flat.abs().masked_fill(stuck, 0)
    count = moves.long().clamp(1, size.shape[1]).unsqueeze(1)
    least = size.sort(dim=1, descending=True).values.gather(1, count - 1)
    signs = flat.sign() * ((size >= least) & (size > 0))
    share: Tensor = signs / signs.abs().sum(1, keepdim=True).clamp_min(1)
    return share.view_as(uphill)


def _judged(now: _Rows, eps: float) -> _Rows:
    """Sparser steps, of full length and from the best point, where that has become sparser; else shorter."""
    changed = _changed(now.images, now.best)
    sparser = changed < SETTLED * now.before
    shorter = (now.size / DENSER).clamp_min(eps / SHORTEST)
    return replace(
        now,
        point=_either(sparser, now.best, now.point),
        uphill=_either(sparser, now.best_uphill, now.uphill),
        size=torch.where(sparser, torch.full_like(now.size, eps), shorter),
        moves=changed / DENSER,
        before=changed,
    )


def _changed(images: Tensor, point: Tensor) -> Tensor:
    """(rows,): coordinates in which a point differs from its image."""
    return (point != images).flatten(1).sum(1).to(images)


def _either(rows: Tensor, this: Tensor, other: Tensor) -> Tensor:
    """Rows of ``this`` where ``rows`` (rows,) is true, of ``other`` elsewhere."""
    return torch.where(rows.view(-1, 1, 1, 1), this, other)
