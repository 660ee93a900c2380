"""All checks of one network, from what was measured of it and what the job's attacks left correct."""

from __future__ import annotations

from collections.abc import Sequence

from cartl_core.analysis.checks.attack_strength import convergence, eps_one, rising_eps
from cartl_core.analysis.checks.gradient_masking import black_box, masking
from cartl_core.analysis.checks.network import (
    finite_outputs,
    gradients,
    inference,
    input_range,
    jumps,
    logits,
    randomness,
)
from cartl_core.analysis.checks.observations import CheckObservations, compared_attacks, reference_attack
from cartl_core.analysis.checks.status import found
from cartl_core.analysis.metrics import AttackRecord, Outputs
from cartl_core.catalog.check_attacks import EPS_ONE, RADIUS
from cartl_core.report.checks import FINDINGS, Check, CheckName, NothingToJudge


def judge(
    observations: CheckObservations | None, attacks: Sequence[AttackRecord], outputs: Outputs | None
) -> tuple[Check, ...]:
    """Every check, in the order of ``FINDINGS``.

    Where an output is not finite, or no image is classified correctly, there is nothing that the other
    checks could judge: they are not run.

    Args:
        observations: None where the checks were not asked for, or are not finished.
        attacks: outcomes of the job's attacks on this network, on all test images.
        outputs: of all test images without an attack; None where they were not measured.
    """
    finite = _finite_outputs(observations, attacks, outputs)
    nothing: NothingToJudge | None = None
    if finite.status == "failed":
        nothing = "outputs_not_finite"
    elif outputs is not None and not any(outputs.right):
        nothing = "no_image_right"
    made = {
        check.name: check for check in (*_of_the_network(observations), *_of_attacks(observations, attacks))
    }
    made |= {name: found(name, nothing) for name in FINDINGS if nothing and name != finite.name}
    made[finite.name] = finite
    return tuple(made[name] if name in made else found(name, "not_asked") for name in FINDINGS)


def _finite_outputs(
    observations: CheckObservations | None, attacks: Sequence[AttackRecord], outputs: Outputs | None
) -> Check:
    """By the job's own measurements where there are any; by what the checks saw otherwise."""
    clean = outputs.not_finite if outputs else frozenset()
    attacked = clean.union(*(record.not_finite for record in attacks))
    seen = observations.checked.not_finite if observations else 0
    images = len(outputs.right) if outputs else max((len(record.robust) for record in attacks), default=0)
    if not images and observations is None:
        return found("finite_outputs", "not_recorded")
    return finite_outputs(
        images=images or (observations.checked.n if observations else 0),
        clean=max(len(clean), seen),
        attacked=max(len(attacked), seen),
    )


OF_THE_NETWORK: tuple[CheckName, ...] = (
    "gradients",
    "logits",
    "randomness",
    "input_range",
    "jumps",
    "inference",
    "rising_eps",
    "eps_one",
)
"""The checks that need no attack of the job, in the order in which they are made."""


def _of_the_network(observations: CheckObservations | None) -> tuple[Check, ...]:
    """What needs no attack of the job."""
    if observations is None:
        return ()
    at = observations.checked
    if not at.right or at.lowest_output is None or at.highest_output is None or at.largest_difference is None:
        return tuple(found(name, "no_image_right") for name in OF_THE_NETWORK)
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
        found("jumps", "not_asked")
        if at.jumping is None or at.unexplained is None
        else jumps(right=at.right, jumping=at.jumping, unexplained=at.unexplained),
        found("inference", "not_asked")
        if at.inference is None
        else inference(images=at.n, seen=at.inference, random=at.differing > 0),
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
    if observations is not None and not observations.checked.right:
        # Of these images none is left to break: only the job's own attacks can be compared.
        observations = None
    others = compared_attacks(reference, attacks, observations) if reference else ()
    named = reference.attack.label if reference else ""
    return convergence(attacks), black_box(others), masking(others, named)
