"""Whether the attacks were strong enough: more steps, larger radii, and a radius that nothing survives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cartl_core.analysis.checks.status import Evidence, found
from cartl_core.analysis.metrics import AttackRecord
from cartl_core.report.checks import Check, ConvergenceFinding, RisingEpsFinding
from cartl_core.spec.measures.attack import ATTACKS
from cartl_core.statistics.proportions import holm, mcnemar_above

CONVERGED_WITHIN = 0.01
"""A point: what the longer attack may break more of the same images."""
LEAST_IMAGES = 200
LEAST_RADII = 2
ALPHA = 0.05


def convergence(attacks: Sequence[AttackRecord]) -> Check:
    """Does an attack with more steps break more of the same images than the same attack with fewer?

    Of all pairs that differ in their steps alone, the one is judged that differs most in what it breaks.
    """
    compared = [(_shares(short, long), short, long) for short, long in _pairs(attacks)]
    if not compared:
        return found("convergence", "no_pair")
    evidence, short, long = max(compared, key=lambda pair: pair[0]["more_broken"])
    finding: ConvergenceFinding = (
        "not_converged" if float(evidence["more_broken"]) > CONVERGED_WITHIN else "converged"
    )
    details = {"shorter_attack": short.attack.label, "longer_attack": long.attack.label}
    return found("convergence", finding, evidence, details)


def rising_eps(runs: Sequence[tuple[float, Sequence[bool]]]) -> Check:
    """Does robust accuracy rise from one radius to the next?

    Each rise is tested on the same images by McNemar's exact test, one-sided, the tests together at level
    ``ALPHA`` (Holm 1979): a network whose accuracy does not rise fails with at most that chance.

    Args:
        runs: of independent attacks: a radius, and which images held, in the same order.
    """
    runs = sorted(runs, key=lambda run: run[0])
    n = min((len(robust) for _, robust in runs), default=0)
    if len(runs) < LEAST_RADII or n < LEAST_IMAGES:
        too_few: RisingEpsFinding = "too_few_radii" if len(runs) < LEAST_RADII else "too_few_images"
        details = {"needed_images": LEAST_IMAGES, "had_images": n, "had_radii": len(runs)}
        return found("rising_eps", too_few, details=details)
    steps = []
    for (eps, smaller), (_, larger) in pairwise(runs):
        only_larger, only_smaller = _discordant(larger, smaller)
        steps.append((mcnemar_above(only_larger, only_smaller), (only_larger - only_smaller) / n, eps))
    adjusted = holm([p for p, _, _ in steps])
    at = min(range(len(steps)), key=lambda step: (adjusted[step], -steps[step][1]))
    evidence = {
        "images": n,
        **{f"robust_at_{eps:.4g}": sum(robust) / n for eps, robust in runs},
        "largest_rise": max(rise for _, rise, _ in steps),
        "smallest_adjusted_p": adjusted[at],
        "alpha": ALPHA,
    }
    if adjusted[at] < ALPHA:
        where = {"from_eps": steps[at][2], "to_eps": runs[at + 1][0], "rise": steps[at][1]}
        return found("rising_eps", "accuracy_rises", evidence, {**where, "tests": len(steps)})
    over = {"radii": len(runs), "from_eps": runs[0][0], "to_eps": runs[-1][0]}
    return found("rising_eps", "no_rise", evidence, over)


def eps_one(*, right: int, standing: int, settings: Evidence) -> Check:
    """Is every image misclassified where the attack may change all of it?

    Args:
        right: images that are right without an attack.
        standing: of them, those that the attack at eps 1 in linf left right.
        settings: of that attack.
    """
    if right == 0:
        return found("eps_one", "no_image_right")
    evidence: Evidence = {"images": right, "standing": standing / right, **settings}
    if standing:
        return found("eps_one", "images_withstand", evidence, {"standing_images": standing})
    return found("eps_one", "all_misclassified", evidence)


def _pairs(attacks: Sequence[AttackRecord]) -> Iterator[tuple[AttackRecord, AttackRecord]]:
    """Of each gradient attack with several numbers of steps: the two with most, fewer steps first."""
    alike: dict[str, list[AttackRecord]] = {}
    for record in attacks:
        if ATTACKS[record.attack.name].gradients:
            same = record.attack.model_copy(update={"label": "", "steps": 1}).model_dump_json()
            alike.setdefault(same, []).append(record)
    for group in alike.values():
        *_, long = ordered = sorted(group, key=lambda record: record.attack.steps)
        fewer = [record for record in ordered if record.attack.steps < long.attack.steps]
        if fewer:
            yield fewer[-1], long


def _shares(short: AttackRecord, long: AttackRecord) -> dict[str, float | int | str]:
    n = len(long.robust)
    newly, lost = _discordant(short.robust, long.robust)
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
