"""Which candidate a run takes: a pure function of how many validation images each got right and held.

The most robust candidate among those whose clean accuracy is within a margin of the cleanest one's. Test
images have no part in it, so what is measured on them afterwards is no victim of the choice. Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil


@dataclass(frozen=True)
class Standing:
    """A candidate on n validation images, the same for all.

    Attributes:
        right: images that it gets right without an attack.
        held: of those, the ones that the attack did not fool.
        tuned: blocks fine-tuned, the paper's k.
        plain: it is plain transfer.
    """

    right: int
    held: int
    tuned: int
    plain: bool


@dataclass(frozen=True)
class Choice:
    """Positions among the candidates: the ``chosen`` one, and the best ``plain`` one by the same rule."""

    chosen: int
    plain: int


def choose(found: Sequence[Standing], n: int, margin: float) -> Choice:
    """The candidate to take, and the one that plain transfer alone would have given.

    Args:
        found: at least one of them plain.
        n: validation images.
        margin: of clean accuracy, as a fraction.

    Raises:
        ValueError: none is plain.
    """
    plain = [position for position, standing in enumerate(found) if standing.plain]
    return Choice(
        chosen=best(found, range(len(found)), n, margin),
        plain=best(found, plain, n, margin),
    )


def best(found: Sequence[Standing], among: Sequence[int], n: int, margin: float) -> int:
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
            -found[position].held,
            -found[position].right,
            found[position].tuned,
            position,
        ),
    )


def wider(found: Sequence[Standing], n: int, margin: float) -> list[tuple[float, int]]:
    """What wider margins would take: each margin, in thousandths, from which on it is another candidate.

    Ascending, from above ``margin``; each candidate is more robust than the one before.
    """
    most = max(standing.right for standing in found)
    needed = {ceil(Fraction(1000 * (most - standing.right), n)) / 1000 for standing in found}
    taken = best(found, range(len(found)), n, margin)
    steps = []
    for wide in sorted(width for width in needed if width > margin):
        other = best(found, range(len(found)), n, wide)
        if other != taken:
            steps.append((wide, other))
            taken = other
    return steps


def within_margin(found: Sequence[Standing], n: int, margin: float) -> tuple[bool, ...]:
    """Which come near enough to the cleanest one.

    Counted exactly: a margin of 0.07 of 100 images is 7 of them, as it is written, though 0.07 * 100 > 7
    in binary floating point.
    """
    most = max((standing.right for standing in found), default=0)
    allowed = Fraction(repr(margin)) * n
    return tuple(most - standing.right <= allowed for standing in found)


def front(found: Sequence[Standing]) -> tuple[bool, ...]:
    """Which are on the Pareto front: nobody is as good in both and better in one."""
    return tuple(
        not any(
            other.right >= own.right
            and other.held >= own.held
            and (other.right, other.held) != (own.right, own.held)
            for other in found
        )
        for own in found
    )
