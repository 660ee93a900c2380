"""Which attacks begin in bf16 where the machine is fast at it, and when it is fast enough.

Of S steps, S - ``FINISHING_STEPS`` are taken in bf16 and the last in fp32. See
``cartl_core.attacks.low_precision``.
"""

from __future__ import annotations

from cartl_core.spec import AttackSpec, Runtime
from cartl_core.spec.job import AttackPrecision
from cartl_core.spec.measures.attack import ATTACKS, Norm

LEAST_STEPS = 100
"""Of a restart; shorter attacks are in fp32 from their first step."""
NORMS: tuple[Norm, ...] = ("linf", "l2")
"""In l1 a step moves the few pixels with the largest slopes: roundings decide which, and so the verdict."""
FINISHING_STEPS = 20
"""The last of each restart, in fp32."""
LEAST_RATE = 1.75
"""So many times as fast as in fp32 a pass in bf16 must be. In linf images move in circles in fp32 and leave
early, and hardly any do in bf16: at 1.5 times the attack would take longer than in fp32."""


def may_begin_low(attack: AttackSpec | None) -> bool:
    """Whether an attack can begin in bf16: it goes on from any point, and is long enough to win by it.

    A network that answers at random (``samples`` above 1) is attacked as it is.
    """
    if attack is None or attack.samples > 1:
        return False
    return ATTACKS[attack.name].goes_on and attack.norm in NORMS and attack.steps >= LEAST_STEPS


def begun_in(attack: AttackSpec | None, runtime: Runtime) -> AttackPrecision:
    """The precision in which an attack (None: none at all) begins on a machine."""
    return runtime.attack_precision if may_begin_low(attack) else "fp32"
