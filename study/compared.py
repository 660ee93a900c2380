"""Which points the comparison looks at on test images, beside the last epoch of every cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from study.compare import Point, judged, own
from study.evaluation import ATTACKS, ATTACKS_OF_THE_GRID
from study.study_results import StudyResults

CHOICES: tuple[Callable[[StudyResults, str, int], Point | None], ...] = (
    StudyResults.baseline,
    StudyResults.best,
    StudyResults.farther,
    StudyResults.nearest,
    StudyResults.faithful,
    StudyResults.beside_faithful,
    StudyResults.automatic,
    StudyResults.freely,
)


def unweighed(results: StudyResults, pair: str, seed: int) -> Iterator[Point]:
    """Candidates of ``auto`` of which is not known which validation images they held at their own epoch."""
    for point in map(own, results.of_seed(pair, seed).candidates(pair, seed)):
        if point.weighed is None:
            yield point


def unevaluated(results: StudyResults, pair: str, seed: int) -> Iterator[tuple[Point, int]]:
    """What is compared and how many attacks it still needs; each point once.

    All attacks: what is chosen on validation images, by any rule. Those of the grid: of a pair's first seed
    every candidate of ``auto``, at its own epoch, so that the choice can be compared with the grid.
    """
    view = results.of_seed(pair, seed)
    chosen = [choice(view, pair, seed) for choice in CHOICES]
    chosen += view.first_rule(pair, seed) or ()
    wanted = {point.same_as: (point, len(ATTACKS)) for point in chosen if point is not None}
    if seed == results.seeds(pair)[0]:
        for point in map(own, results.candidates(pair, seed)):
            wanted.setdefault(point.same_as, (point, ATTACKS_OF_THE_GRID))
    return ((point, attacks) for point, attacks in wanted.values() if not judged(point, ATTACKS[attacks - 1]))
