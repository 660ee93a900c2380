"""Whether the attacks were strong enough: more steps, larger radii, and a radius that nothing survives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cartl_core.analysis.checks.status import Evidence, failed, not_run, passed
from cartl_core.analysis.metrics import Held
from cartl_core.render import numbers
from cartl_core.report.checks import Check
from cartl_core.spec.attack import ATTACKS
from cartl_core.statistics.proportions import holm, mcnemar_above

CONVERGED_WITHIN = 0.01
"""A point: what the longer attack may break more of the same images."""
LEAST_IMAGES = 200
ALPHA = 0.05
MORE_STEPS, MORE_RESTARTS = 4, 5


def convergence(attacks: Sequence[Held]) -> Check:
    """Does an attack with more steps break more of the same images than the same attack with fewer?

    Of all pairs that differ in their steps alone, the one is judged that differs most in what it breaks.
    """
    found = [(_shares(short, long), short, long) for short, long in _pairs(attacks)]
    if not found:
        return not_run(
            "convergence",
            "No attack was run twice with different numbers of steps and everything else the same.",
            "Add such a pair, e.g. pgd with 20 and with 100 steps.",
        )
    evidence, short, long = max(found, key=lambda pair: pair[0]["more_broken"])
    more, n = float(evidence["more_broken"]), len(long.held)
    shorter, longer = short.attack.label, long.attack.label
    if more > CONVERGED_WITHIN:
        steps = MORE_STEPS * long.attack.steps
        return failed(
            "convergence",
            evidence,
            f"{longer} breaks {_points(more)} points more of the same {numbers.count(n)} images than "
            f"{shorter}: the attack has not converged, and still more steps may break still more images. "
            "Read the robust accuracy as an upper bound.",
            f"Add an attack with {numbers.count(steps)} steps and {MORE_RESTARTS} restarts, or apgd, which "
            "sizes its steps itself.",
        )
    return passed(
        "convergence",
        evidence,
        f"{longer} breaks {_points(max(more, 0.0))} points more of the same {numbers.count(n)} images than "
        f"{shorter}, at most {_points(CONVERGED_WITHIN)} is allowed.",
    )


def rising_eps(runs: Sequence[tuple[float, Sequence[bool]]]) -> Check:
    """Does robust accuracy rise from one radius to the next?

    Each rise is tested on the same images by McNemar's exact test, one-sided, the tests together at level
    ``ALPHA`` (Holm 1979): a network whose accuracy falls or stays fails with at most that chance.

    Args:
        runs: of independent attacks: a radius, and which images held, in the same order.
    """
    runs = sorted(runs, key=lambda run: run[0])
    n = min((len(held) for _, held in runs), default=0)
    if len(runs) < 2 or n < LEAST_IMAGES:
        return not_run(
            "rising_eps",
            f"It needs {LEAST_IMAGES} images and two radii, and had {numbers.count(n)} images and "
            f"{len(runs)} "
            "radii.",
            "Raise test_limit." if len(runs) > 1 else None,
        )
    steps = []
    for (eps, smaller), (_, larger) in pairwise(runs):
        only_larger, only_smaller = _discordant(larger, smaller)
        steps.append((mcnemar_above(only_larger, only_smaller), (only_larger - only_smaller) / n, eps))
    adjusted = holm([p for p, _, _ in steps])
    at = min(range(len(steps)), key=lambda step: (adjusted[step], -steps[step][1]))
    evidence = {
        "images": n,
        **{f"robust_at_{eps:.4g}": sum(held) / n for eps, held in runs},
        "largest_rise": max(rise for _, rise, _ in steps),
        "smallest_adjusted_p": adjusted[at],
        "alpha": ALPHA,
    }
    if adjusted[at] < ALPHA:
        before, after = steps[at][2], runs[at + 1][0]
        return failed(
            "rising_eps",
            evidence,
            f"From eps {numbers.radius(before)} to {numbers.radius(after)} robust accuracy rises by "
            f"{numbers.points(steps[at][1])} points on the same {numbers.count(n)} images (one-sided "
            "McNemar p "
            f"{adjusted[at]:.2g} over {len(steps)} tests), though what breaks an image within the smaller "
            "radius lies within the larger one too: the attacks do not find what is there.",
            "Add attacks that search otherwise: square, apgd with loss dlr, more restarts.",
        )
    return passed(
        "rising_eps",
        evidence,
        f"Independent attacks at {len(runs)} radii from {numbers.radius(runs[0][0])} to "
        f"{numbers.radius(runs[-1][0])} on {numbers.count(n)} images: robust accuracy never rises by more "
        "than "
        "chance allows.",
    )


def eps_one(*, right: int, standing: int, settings: Evidence) -> Check:
    """Does every image fall where the attack may change all of it?

    Args:
        right: images that are right without an attack.
        standing: of them, those that the attack at eps 1 in linf left right.
        settings: of that attack.
    """
    if right == 0:
        return not_run("eps_one", "No image is classified right, so there was nothing to break.")
    evidence: Evidence = {"images": right, "standing": standing / right, **settings}
    if standing:
        return failed(
            "eps_one",
            evidence,
            f"{numbers.count(standing)} of {numbers.count(right)} images stand although the attack may "
            "paint any "
            "image it likes (eps 1 in linf): what stops it there is no robustness, and may stop it at small "
            "radii too.",
            "Look for gradients that vanish or mislead; believe black-box attacks only.",
        )
    return passed("eps_one", evidence, f"All {numbers.count(right)} images fall at eps 1 in linf.")


def _points(share: float) -> str:
    """Of all images, in points: no percentage of what broke before."""
    return f"{100 * share:.1f}"


def _pairs(attacks: Sequence[Held]) -> Iterator[tuple[Held, Held]]:
    """Of each gradient attack with several numbers of steps: the two with most, fewer steps first."""
    alike: dict[str, list[Held]] = {}
    for held in attacks:
        if ATTACKS[held.attack.name].gradients:
            same = held.attack.model_copy(update={"label": "", "steps": 1}).model_dump_json()
            alike.setdefault(same, []).append(held)
    for group in alike.values():
        *_, long = ordered = sorted(group, key=lambda held: held.attack.steps)
        fewer = [held for held in ordered if held.attack.steps < long.attack.steps]
        if fewer:
            yield fewer[-1], long


def _shares(short: Held, long: Held) -> dict[str, float | int | str]:
    n = len(long.held)
    newly, lost = _discordant(short.held, long.held)
    return {
        "images": n,
        "fewer_steps": short.attack.steps,
        "more_steps": long.attack.steps,
        "broken_by_more_steps_only": newly / n,
        "broken_by_fewer_steps_only": lost / n,
        "more_broken": (newly - lost) / n,
        "allowed": CONVERGED_WITHIN,
    }


def _discordant(first: Sequence[bool], second: Sequence[bool]) -> tuple[int, int]:
    """How many hold in the first only, and in the second only."""
    pairs = list(zip(first, second, strict=True))
    return pairs.count((True, False)), pairs.count((False, True))
