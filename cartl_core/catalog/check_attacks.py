"""The attacks that the checks make themselves, each with a label of its own. Torch-free."""

from __future__ import annotations

from cartl_core.spec.measures.attack import ATTACKS, LARGEST_RADIUS, LEAST_CLASSES, AttackSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec

RADII = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of independent attacks, as multiples of the radius; those beyond the largest possible are left out."""
RADIUS_STEPS = 10
RADIUS_STEP = 0.25
"""Of each of these attacks, as a share of its radius."""

SEGMENTS = 16
"""Of the line from an image to a point of the ball, along which the check for jumps looks."""
EPS_ONE = AttackSpec(label="eps-one", eps=1.0, step=0.1, steps=40, restarts=2)
RADIUS = "radius-"
BLACK_BOX = "square"
RESCALED = "rescaled"
STRAIGHT = "straight-through"
TRANSFER = "transfer-from-"
OF_JOB = "job-"
"""Begins what an attack of the job is called beside these."""


def radius_attacks(asked: ChecksSpec) -> tuple[AttackSpec, ...]:
    """Short independent attacks at rising radii."""
    attack = asked.attack
    radii = [share * attack.eps for share in RADII if share * attack.eps <= LARGEST_RADIUS[attack.norm]]
    return tuple(
        attack.model_copy(
            update={
                "label": f"{RADIUS}{eps:.6g}",
                "eps": eps,
                "step": RADIUS_STEP * eps,
                "steps": RADIUS_STEPS,
            }
        )
        for eps in radii
        if eps > 0
    )


def black_box_attack(asked: ChecksSpec) -> AttackSpec | None:
    """Square; None in a norm that it does not know."""
    attack = asked.attack
    if attack.norm not in ATTACKS["square"].norms:
        return None
    return AttackSpec(
        label=BLACK_BOX, name="square", norm=attack.norm, loss="margin", eps=attack.eps, steps=asked.queries
    )


def scale_invariant_attack(asked: ChecksSpec, classes: int) -> AttackSpec:
    """On a loss that no scale of the logits touches; the ratio of logits needs three classes."""
    loss = "dlr" if classes >= LEAST_CLASSES["dlr"] else "margin"
    return asked.attack.model_copy(update={"label": loss, "loss": loss})


def rescaled_attack(asked: ChecksSpec) -> AttackSpec:
    """On the cross-entropy of logits brought to a set size."""
    return asked.attack.model_copy(update={"label": RESCALED})


def straight_attack(asked: ChecksSpec) -> AttackSpec:
    """Back through what hides its gradient as through the identity."""
    return asked.attack.model_copy(update={"label": STRAIGHT})


def transfer_attack(asked: ChecksSpec, other: str) -> AttackSpec:
    """By the gradients of another network."""
    return asked.attack.model_copy(update={"label": f"{TRANSFER}{other}"})


def own_attacks(
    asked: ChecksSpec, classes: int, other: str | None, *, straight: bool = False
) -> tuple[AttackSpec, ...]:
    """All of them, in the order in which they are told.

    Args:
        other: the name of the network that an attack is transferred from.
        straight: something of the network hides its gradient.
    """
    box = black_box_attack(asked)
    return (
        *radius_attacks(asked),
        EPS_ONE,
        *((box,) if box else ()),
        scale_invariant_attack(asked, classes),
        rescaled_attack(asked),
        *((straight_attack(asked),) if straight else ()),
        *((transfer_attack(asked, other),) if other else ()),
    )
