"""Which candidate a run takes: a pure function of which validation images each got right and held.

The most robust candidate among those whose clean accuracy is within a margin of the cleanest one's, unless
plain transfer does as well as far as these images can tell: of many candidates the best one is flattered by
the images that chose it, so another than plain transfer must lead by several standard errors of the paired
difference (the idea of the one-standard-error rule; Breiman et al., Classification and Regression Trees,
1984). Test images have no part in it, so what is measured on them afterwards is not biased by the choice.
Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil


@dataclass(frozen=True)
class CandidateScore:
    """A candidate on validation images, the same for all.

    Attributes:
        right: how many it gets right without an attack.
        robust: of each attacked one, whether it is right and the attack did not fool it.
        tuned: blocks fine-tuned, the paper's k.
        baseline: it is plain transfer.
    """

    right: int
    robust: tuple[bool, ...]
    tuned: int
    baseline: bool

    @property
    def robust_count(self) -> int:
        """How many are robust."""
        return sum(self.robust)


@dataclass(frozen=True)
class ModelSelection:
    """Positions among the candidates: the ``chosen`` one, and the best ``baseline`` one by the same rule."""

    chosen: int
    baseline: int


def choose(found: Sequence[CandidateScore], n: int, margin: float, min_z: float) -> ModelSelection:
    """The candidate to take, and the one that plain transfer alone would have given.

    Another than the best plain candidate must be more robust beyond chance (``leads``), or cleaner by more
    than the margin and no less robust; the most robust of those is taken.

    Args:
        found: at least one of them plain.
        n: validation images of ``right``.
        margin: of clean accuracy, as a fraction.
        min_z: how far ahead of the best plain candidate another must be, in standard errors.

    Raises:
        ValueError: none is plain.
    """
    baseline = best(found, [at for at, score in enumerate(found) if score.baseline], n, margin)
    plain = found[baseline]
    better = [
        at
        for at, near in enumerate(within_margin(found, n, margin))
        if near and (leads(found[at], plain, min_z) or _cleaner(found[at], plain, n, margin))
    ]
    return ModelSelection(chosen=best(found, [baseline, *better], n, 1.0), baseline=baseline)


def _cleaner(own: CandidateScore, other: CandidateScore, n: int, margin: float) -> bool:
    return own.robust_count >= other.robust_count and own.right - other.right > Fraction(repr(margin)) * n


def leads(own: CandidateScore, other: CandidateScore, min_z: float) -> bool:
    """Whether ``own`` is robust on more images than ``other`` beyond chance.

    With b images on which only ``own`` is robust and c on which only ``other`` is, of m: the difference
    b - c has the standard error sqrt(b + c - (b - c)^2 / m). Counted exactly, so that no border depends on
    rounding.
    """
    both = list(zip(own.robust, other.robust, strict=True))
    only_own = sum(mine and not theirs for mine, theirs in both)
    only_other = sum(theirs and not mine for mine, theirs in both)
    ahead = only_own - only_other
    square = Fraction(repr(min_z)) ** 2
    return ahead > 0 and len(both) * ahead**2 > square * (len(both) * (only_own + only_other) - ahead**2)


def best(found: Sequence[CandidateScore], among: Sequence[int], n: int, margin: float) -> int:
    """The most robust one within the margin of the cleanest of ``among``.

    Of equally robust ones the cleaner is taken, then the one with fewer tuned blocks, then the first.

    Raises:
        ValueError: ``among`` is empty.
    """
    near = within_margin([found[position] for position in among], n, margin)
    eligible = [position for position, is_near in zip(among, near, strict=True) if is_near]
    return min(
        eligible,
        key=lambda position: (
            -found[position].robust_count,
            -found[position].right,
            found[position].tuned,
            position,
        ),
    )


def wider(found: Sequence[CandidateScore], n: int, margin: float, min_z: float) -> list[tuple[float, int]]:
    """What wider margins would take: each margin, in thousandths, from which on it is a more robust one.

    Ascending, from above ``margin``; each candidate is more robust than all before it.
    """
    # A margin compares two of these: the cleanest, the cleanest plain one, the best plain one.
    counts = {score.right for score in found}
    apart = {most - fewer for most in counts for fewer in counts if most >= fewer}
    needed = {ceil(Fraction(1000 * images, n)) / 1000 for images in apart}
    most_robust = found[choose(found, n, margin, min_z).chosen].robust_count
    steps = []
    for wide in sorted(width for width in needed if width > margin):
        other = choose(found, n, wide, min_z).chosen
        if found[other].robust_count > most_robust:
            steps.append((wide, other))
            most_robust = found[other].robust_count
    return steps


def within_margin(found: Sequence[CandidateScore], n: int, margin: float) -> tuple[bool, ...]:
    """Which come near enough to the cleanest one.

    Counted exactly: a margin of 0.07 of 100 images is 7 of them, as it is written, though 0.07 * 100 > 7
    in binary floating point.
    """
    most = max((score.right for score in found), default=0)
    allowed = Fraction(repr(margin)) * n
    return tuple(most - score.right <= allowed for score in found)


def front(found: Sequence[CandidateScore]) -> tuple[bool, ...]:
    """Which are on the Pareto front: no other is as good in both and better in one."""
    return tuple(
        not any(
            other.right >= own.right
            and other.robust_count >= own.robust_count
            and (other.right, other.robust_count) != (own.right, own.robust_count)
            for other in found
        )
        for own in found
    )
