"""What `auto` tries: a row a candidate, at each of a few depths. A new candidate is one line.

Plain transfer is a row like the others, so whatever is chosen was measured against it, at every depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf
from typing import Any

from cartl_core.catalog.methods import consistent
from cartl_core.spec.arm import Arm, Method

PLAIN: Method = "vanilla"


@dataclass(frozen=True)
class CandidateFacts:
    """A method, and what it does otherwise than the preset; what a request says wins over both."""

    method: Method
    pretrain: dict[str, Any] = field(default_factory=dict)
    """Fields of its ``PretrainSpec``."""
    transfer: dict[str, Any] = field(default_factory=dict)
    """Fields of its ``TransferSpec``."""
    radius: float = 1.0
    """Of its inner attack, if it has one, as a share of the teacher's; a smaller one takes two steps."""

    def inner_attack(self, teachers: dict[str, Any]) -> dict[str, Any]:
        """Its inner attack, from that of its teacher's training."""
        if self.radius == 1.0:
            return teachers
        eps = self.radius * teachers["eps"]
        return {**teachers, "eps": eps, "step": STEP_OF_RADIUS * eps, "steps": STEPS}


STEPS, STEP_OF_RADIUS = 2, 0.75
"""Of an inner attack within a smaller radius, as in docs/study/: it costs what `consistent` costs where 3/4
of the blocks are tuned, and more than that where few are."""

FARTHER: dict[str, Any] = {"radii": (1.5,)}
"""A second teacher, for all depths: trained within one and a half times the radius, it costs what the first
costs and hands down more robustness for some clean accuracy (docs/study/)."""

MILDLY, FIRMLY = ({"displacement": consistent(weight)["displacement"]} for weight in (1.0, 4.0))
"""Two places on one dial: on some data the first costs no clean accuracy, on others the second hardly any."""

CANDIDATES: tuple[CandidateFacts, ...] = (
    CandidateFacts(PLAIN),
    CandidateFacts("consistent", transfer=MILDLY),
    CandidateFacts("consistent", transfer=FIRMLY),
    CandidateFacts("adversarial", radius=0.25),
    CandidateFacts("adversarial", radius=0.5),
    CandidateFacts(PLAIN, pretrain=FARTHER),
    CandidateFacts("consistent", pretrain=FARTHER, transfer=MILDLY),
)

EVERY_DEPTH: dict[str, Any] = {"fdm_layers": "every", "fdm_distance": "spread"}
"""One teacher for all depths instead of one each, by the distance that a shrinking scale does not improve."""

DEPTH_ALONE: tuple[CandidateFacts, ...] = (CandidateFacts("cartl", pretrain=EVERY_DEPTH),)
"""Of methods that only a person names, where the depth is left open."""

FEWEST_TUNED = 2
SHARES_TUNED = (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4))

SELECTION_STEPS = 20
VALIDATION_IMAGES = 2_000


def rows_of(method: Method) -> tuple[CandidateFacts, ...]:
    """Of a method that a person named, where the depth is open, and plain transfer; each with one teacher."""
    rows = (*CANDIDATES, *DEPTH_ALONE)
    own = tuple(row for row in rows if row.method == method and row.pretrain != FARTHER)
    plain = () if method == PLAIN else (CandidateFacts(PLAIN),)
    return (*plain, *(own or (CandidateFacts(method),)))


def plain_ones(arms: Sequence[Arm]) -> tuple[bool, ...]:
    """Which arms are plain transfer as it would be without a choice; one at least where a depth has any.

    From a teacher trained within a larger radius than that of another one of the same depth it is a
    challenger like the other methods, which has to lead.
    """
    nearest: dict[int, float] = {}
    for arm in arms:
        if arm.method == PLAIN:
            nearest[arm.freeze_depth] = min(arm.farthest, nearest.get(arm.freeze_depth, inf))
    return tuple(arm.method == PLAIN and arm.farthest <= max(1.0, nearest[arm.freeze_depth]) for arm in arms)


def depths_to_try(blocks: int) -> tuple[int, ...]:
    """Freeze depths that leave about 1/4, 1/2 and 3/4 of the blocks to be tuned, and at least two.

    Few tuned blocks keep more of the teacher, many adapt better: the paper tunes 4 to 8 of 17, and of the 8
    blocks of docs/study/ plain transfer does best with 4, consistent tuning with 6. Ascending, distinct,
    from 1 to ``blocks - 1``.
    """
    tuned = {max(FEWEST_TUNED, int(blocks * share + Fraction(1, 2))) for share in SHARES_TUNED}
    return tuple(sorted({min(max(blocks - k, 1), blocks - 1) for k in tuned}))
