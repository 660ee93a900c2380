"""Projected gradient descent (Madry et al., ICLR 2018, arXiv 1706.06083) in the Linf, l2 or l1 ball.

``perturb`` is the inner attack of training, there Linf and cross-entropy, and gives the last iterate.
``run_pgd`` is the attack of an evaluation: every iterate of every restart counts, which is stronger than the
usual last iterate and, since a sample leaves at its first misclassified iterate, cheaper. Both leave the
model as it was.

In an evaluation an image also leaves when it moves in a circle: two steps on it is where it was and the
model says what it said, so that all its further iterates have been tried (``CycleDetector``). In linf that
is where most of what is still correct ends, at a corner of the ball, after some thirty to fifty steps of a
tenth of the radius.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from cartl_core.attacks.attack_state import AttackOutcome, AttackState, CycleDetector, packed
from cartl_core.attacks.losses import OBJECTIVES, Objective
from cartl_core.attacks.norm_balls import BALLS, Ball, Bounds
from cartl_core.attacks.random_starts import AttackRandomness, starts_for
from cartl_core.attacks.uphill import answers, look
from cartl_core.nn.losses import cross_entropy
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.attack import Norm


def perturb(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    step: float,
    steps: int,
    start: Tensor | None = None,
    norm: Norm = "linf",
    objective: Objective = cross_entropy,
) -> Tensor:
    """The training attack: ``steps`` steps, the last iterate, no early end.

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) int64, the true classes.
        eps: radius in pixel units, in ``norm``, e.g. 8/255.
        step: step size in pixel units, in ``norm``.
        steps: at least 0.
        start: (N, C, H, W) first perturbation; none starts at the images themselves.
        objective: what each step climbs.

    Returns:
        (N, C, H, W) within eps of the images and within [0, 1], detached.
    """
    ball = BALLS[norm]
    bounds = ball.bounds(images, eps)
    with preserve_model_state(model):
        iterate = _begin(ball, images, start, bounds, eps)
        for _ in range(steps):
            _, _, uphill = look(model, iterate, _of(objective, labels))
            iterate = _climb(ball, iterate, uphill, step, bounds, eps)
    return iterate


def run_pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    randomness: AttackRandomness | None = None,
    skip: Tensor | None = None,
) -> AttackOutcome:
    """The evaluation attack: does any iterate of any restart fool ``model``?

    Images that are wrong without an attack count as broken and are never attacked.

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) int64, the true classes.
        attack: norm, loss, radius, step, number of steps and of restarts.
        randomness: gives the first perturbation (N, C, H, W) of each restart, 0 onwards; needed when
            ``attack.random_start``.
        skip: (N,) bool, images that count as broken and are not attacked.

    Raises:
        ValueError: the attack starts at random and ``randomness`` is missing, or it has no step.
    """
    start_of = starts_for(attack, randomness)
    with preserve_model_state(model):
        state = AttackState.begin(model, images, labels, skip, attack.samples)
        for restart in range(attack.restarts):
            if not state.broken.all():
                _restart(state, attack, start_of(restart))
    return state.outcome()


def _restart(state: AttackState, attack: AttackSpec, start: Tensor | None) -> None:
    """One restart on all images that stand."""
    ball, objective, eps, step = BALLS[attack.norm], OBJECTIVES[attack.loss], attack.eps, attack.step_size
    where = state.entering()
    labels = state.labels[where]
    bounds = ball.bounds(state.images[where], eps)
    begin = None if start is None else start.to(state.images.device)[where]
    iterate = _begin(ball, state.images[where], begin, bounds, eps)
    cycles = CycleDetector.begin(where)
    for left in range(attack.steps, 0, -1):
        logits, _, uphill = look(state.model, iterate, _of(objective, labels), attack.samples)
        robust = state.note(logits, iterate, where)
        circling = cycles.follow(iterate, logits) & robust
        if circling.any():
            state.adversarial[where[circling]] = cycles.ahead(left)[circling]
        going = robust & ~cycles.circled
        if not going.any():
            return
        iterate = _climb(ball, iterate, uphill, step, bounds, eps)
        if (rows := packed(going)) is not None:
            where, labels, iterate, *bounded = (part[rows] for part in (where, labels, iterate, *bounds))
            bounds, cycles = tuple(bounded), cycles.of(rows)
    robust = state.note(answers(state.model, iterate, attack.samples), iterate, where)
    going = robust & ~cycles.circled
    state.adversarial[where[going]] = iterate[going]


def _begin(ball: Ball, images: Tensor, start: Tensor | None, bounds: Bounds, eps: float) -> Tensor:
    if start is None:
        return images.detach().clone()
    return ball.project(images.detach() + start.to(images), bounds, eps)


def _of(objective: Objective, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """The objective of logits (rows, K) alone, for images of these labels (rows,)."""
    return lambda logits: objective(logits, labels)


def _climb(ball: Ball, iterate: Tensor, uphill: Tensor, step: float, bounds: Bounds, eps: float) -> Tensor:
    """The next iterate: one steepest step up, back into the ball."""
    return ball.project(iterate + step * ball.steepest(uphill, iterate), bounds, eps)
