"""FAB (Croce and Hein, ICML 2020, arXiv 1907.02044, algorithm 1), the targeted one, in Linf, l2 and l1.

It looks for the nearest image on the other side of the boundary with a target class: each step goes to
where the boundary would be if the network were linear, somewhat beyond, drawn back a little towards the
original; an image on the other side is moved back part of the way. It has no radius and no size of step,
and no loss that could be flat: a scaling of the logits changes nothing.

As in AutoAttack (arXiv 2003.01690, "fab-t"), a try for each of the likeliest other classes. Here an image
leaves at the first misclassified iterate inside the ball, whatever class it shows, since only that is
asked; so nearer ones are not looked for, and the paper's final search between the image and the nearest
one found is left out, as AutoAttack leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from cartl_core.attacks.attack_state import AttackOutcome, AttackState, misclassified, packed
from cartl_core.attacks.hyperplane import to_hyperplane
from cartl_core.attacks.losses import targets
from cartl_core.attacks.random_starts import AttackRandomness, starts_for
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.attack import Norm

OVERSHOOT = 1.05
"""eta: how far a step goes, of the way to the boundary."""
BIAS = 0.1
"""alpha_max: the most that a step is drawn towards the original's own projection."""
BACK = 0.9
"""beta: of the way from the original that an image keeps once it is on the other side."""
START_SHARE = 0.5
"""Of the radius that random starts use."""
ORDERS: dict[Norm, float] = {"linf": torch.inf, "l2": 2.0, "l1": 1.0}


def run_fab(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    randomness: AttackRandomness | None = None,
    skip: Tensor | None = None,
) -> AttackOutcome:
    """Is any iterate inside the ball, of any target of any restart, misclassified by ``model``?

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) int64, the true classes.
        attack: norm, radius, steps (for each target) and restarts.
        randomness: gives a perturbation (N, C, H, W) inside the ball for each try, 0 onwards, of which half
            is the start (the source starts on the sphere of half the radius); a restart is a try for each
            target. Needed when ``attack.random_start``; AutoAttack's first restart has none.
        skip: (N,) bool, images that count as broken and are not attacked.

    Raises:
        ValueError: the attack starts at random and ``randomness`` is missing.
    """
    start_of = starts_for(attack, randomness)
    with preserve_model_state(model):
        state = AttackState.begin(model, images, labels, skip)
        aims = targets(state.logits, labels, attack.targets)
        for number in range(attack.restarts * aims.shape[1]):
            if state.broken.all():
                break
            start = start_of(number)
            _approach(state, attack, aims[:, number % aims.shape[1]], start)
    return state.outcome()


@dataclass(frozen=True)
class _Rows:
    """The images under attack, a row each: which of the batch, the images, their iterates, the targets."""

    where: Tensor
    images: Tensor
    point: Tensor
    labels: Tensor
    targets: Tensor

    def only(self, rows: Tensor) -> _Rows:
        return _Rows(*(part[rows] for part in vars(self).values()))


def _approach(state: AttackState, attack: AttackSpec, aims: Tensor, start: Tensor | None) -> None:
    """One try on all images that stand."""
    where = state.entering()
    images = state.images[where]
    point = images
    if start is not None:
        point = (images + START_SHARE * start.to(images)[where]).clamp(0, 1)
    rows = _Rows(where, images, point, state.labels[where], aims[where])
    for _ in range(attack.steps):
        rows, robust = _step(state, attack, rows)
        if not robust.any():
            return
        if (kept := packed(robust)) is not None:
            rows = rows.only(kept)


def _step(state: AttackState, attack: AttackSpec, rows: _Rows) -> tuple[_Rows, Tensor]:
    """To the boundary and beyond; returns the rows moved and (rows,) bool: who still stands."""
    norm = attack.norm
    lead, slope = _boundary(state, attack, rows)
    here, origin = rows.point.flatten(1), rows.images.flatten(1)
    # The same hyperplane, seen from the iterate and from the image itself.
    way = to_hyperplane(here, slope, -lead, norm)
    direct = to_hyperplane(origin, slope, -lead - (slope * (origin - here)).sum(1), norm)
    far = _length(way, norm)
    bias = far / (far + _length(direct, norm)).clamp_min(torch.finfo(far.dtype).tiny)
    bias = bias.clamp(max=BIAS).unsqueeze(1)
    moved = (1 - bias) * (here + OVERSHOOT * way) + bias * (origin + OVERSHOOT * direct)
    point = moved.clamp(0, 1).view_as(rows.point)

    with torch.no_grad():
        logits = state.model(point)
    inside = _inside(rows.images, point, attack)
    robust = state.note(logits, point, rows.where, counts=inside)
    kept = robust & inside
    state.adversarial[rows.where[kept]] = point[kept]
    beyond = misclassified(logits, rows.labels).view(-1, 1, 1, 1)
    point = torch.where(beyond, rows.images + BACK * (point - rows.images), point)
    return replace(rows, point=point), robust


def _boundary(state: AttackState, attack: AttackSpec, rows: _Rows) -> tuple[Tensor, Tensor]:
    """What the target's logit is above the true one's, (rows,), and its slope, (rows, D)."""
    asked = rows.point.detach().requires_grad_(True)
    with torch.enable_grad():
        logits = state.model(asked)
        pair = logits.gather(1, torch.stack([rows.targets, rows.labels], dim=1))
        lead = pair[:, 0] - pair[:, 1]
        (slope,) = torch.autograd.grad(lead.sum(), asked)
    state.note(logits, rows.point, rows.where, counts=_inside(rows.images, rows.point, attack))
    return lead.detach(), slope.flatten(1).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def _inside(images: Tensor, point: Tensor, attack: AttackSpec) -> Tensor:
    return _length((point - images).flatten(1), attack.norm) <= attack.eps


def _length(way: Tensor, norm: Norm) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(way, ord=ORDERS[norm], dim=1)
    return length
