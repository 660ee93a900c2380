"""All checks of one network, from what was measured of it and what the job's attacks left correct."""

from __future__ import annotations

from collections.abc import Sequence

from cartl_core.analysis.checks.attack_strength import convergence, eps_one, rising_eps
from cartl_core.analysis.checks.gradient_masking import black_box, masking
from cartl_core.analysis.checks.network import gradients, input_range, logits, randomness
from cartl_core.analysis.checks.observations import CheckObservations, compared_attacks, reference_attack
from cartl_core.analysis.checks.status import found
from cartl_core.analysis.metrics import AttackRecord
from cartl_core.catalog.check_attacks import EPS_ONE, RADIUS
from cartl_core.report.checks import FINDINGS, Check


def judge(observations: CheckObservations | None, attacks: Sequence[AttackRecord]) -> tuple[Check, ...]:
    """Every check, in the order of ``FINDINGS``.

    Args:
        seen: None where the checks were not asked for, or are not finished.
        attacks: outcomes of the job's attacks on this network, on all test images.
    """
    made = {
        check.name: check for check in (*_of_the_network(observations), *_of_attacks(observations, attacks))
    }
    return tuple(made[name] if name in made else found(name, "not_asked") for name in FINDINGS)


def _of_the_network(observations: CheckObservations | None) -> tuple[Check, ...]:
    """What needs no attack of the job."""
    if observations is None:
        return ()
    at = observations.checked
    radii = [
        (attack.eps, observations.robust[attack.label])
        for attack in at.attacks
        if attack.label.startswith(RADIUS)
    ]
    return (
        gradients(right=at.right, vanished=at.vanished, flat=at.flat),
        logits(images=at.n, probable=at.probable, lowest=at.lowest_output, highest=at.highest_output),
        randomness(
            images=at.n,
            differing=at.differing,
            redecided=at.redecided,
            largest=at.largest_difference,
        ),
        input_range(
            images=at.n,
            lowest=at.lowest_pixel,
            highest=at.highest_pixel,
            normalised=at.normalises_first,
            bands=[(band.low, band.high, band.images, band.deaf) for band in at.bands],
        ),
        rising_eps(radii),
        eps_one(
            right=at.right,
            standing=sum(observations.robust[EPS_ONE.label]),
            settings={"steps": EPS_ONE.steps, "step": EPS_ONE.step_size, "restarts": EPS_ONE.restarts},
        ),
    )


def _of_attacks(observations: CheckObservations | None, attacks: Sequence[AttackRecord]) -> tuple[Check, ...]:
    """What compares attacks on the same images."""
    reference = reference_attack(attacks, observations.attack if observations else None)
    others = compared_attacks(reference, attacks, observations) if reference else ()
    named = reference.attack.label if reference else ""
    return convergence(attacks), black_box(others), masking(others, named)
