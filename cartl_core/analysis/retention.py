"""How much of the teacher's robustness a student has: the ratio and its interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cartl_core.analysis.metrics import AttackRecord, worst_case
from cartl_core.report import Interval
from cartl_core.report.comparisons import AttackPair, Retention
from cartl_core.spec import AttackSpec
from cartl_core.statistics.proportions import ratio, wilson


def retention(
    student: tuple[Sequence[bool], Sequence[AttackRecord]],
    teacher: tuple[Sequence[bool], Sequence[AttackRecord]],
) -> Retention | None:
    """Robust accuracy of a student on its target over its teacher's on the source.

    Only attacks that were made on both in the same way count (name, norm, loss, steps, restarts, start);
    each has its data set's own radius. The interval is Koopman's, of two independent proportions.

    Args:
        student: which images are right without an attack, and which each attack left correct.
        teacher: likewise, on the source's test images.

    Returns:
        None where no attack was made on both, or the teacher has no robustness to keep.
    """
    pairs = list(_pairs(student[1], teacher[1]))
    if not pairs:
        return None
    target = _proportion(worst_case(student[0], [own for own, _ in pairs]))
    source = _proportion(worst_case(teacher[0], [other for _, other in pairs]))
    if source.successes == 0:
        return None
    found, low, high = ratio((target.successes, target.n), (source.successes, source.n))
    attacks = tuple(_pair(own.attack, other.attack) for own, other in pairs)
    return Retention(
        target=target,
        source=source,
        attacks=attacks,
        ratio=found,
        low=low,
        high=high,
    )


def _pairs(
    student: Sequence[AttackRecord], teacher: Sequence[AttackRecord]
) -> Iterator[tuple[AttackRecord, AttackRecord]]:
    """For each attack on the teacher the one on the student that differs from it at most in its radius."""
    for other in teacher:
        alike = [own for own in student if _recipe(own.attack) == _recipe(other.attack)]
        same = [own for own in alike if own.attack.eps == other.attack.eps]
        if same or len(alike) == 1:
            yield (same or alike)[0], other


def _recipe(attack: AttackSpec) -> tuple[object, ...]:
    return attack.name, attack.norm, attack.loss, attack.steps, attack.restarts, attack.random_start


def _pair(own: AttackSpec, other: AttackSpec) -> AttackPair:
    return AttackPair(
        target=own.label, source=other.label, target_eps=own.eps, source_eps=other.eps, norm=own.norm
    )


def _proportion(robust: Sequence[bool]) -> Interval:
    return wilson(sum(robust), len(robust))
