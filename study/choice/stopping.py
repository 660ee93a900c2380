"""Candidates that cannot win any more, by the validation figures after each epoch of finished cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cartl_core.spec.base import SpecModel
from cartl_core.statistics.candidate_selection import CandidateScore, choose
from study.choice.counts import Numbers
from study.choice.plan import Stopping
from study.compare import Point, own
from study.study_results import StudyResults


class Stopped(SpecModel):
    """What stopping saves and costs on a pair and seed; fractions, on validation images.

    Attributes:
        candidates, stopped: how many there are, and how many are stopped.
        saved: share of the tuning seconds of all candidates.
        changed: another candidate is taken.
        robust, clean: of what is taken, less those of what would have been.
    """

    pair: str
    seed: int
    quantile: float
    candidates: int
    stopped: int
    saved: float
    changed: bool
    robust: float
    clean: float


@dataclass(frozen=True)
class Race:
    """The candidates of a pair and seed at the epoch that each stops at by itself; which are plain."""

    pair: str
    seed: int
    points: tuple[Point, ...]
    plain: tuple[bool, ...]

    def taken(self, among: Sequence[int], margin: float, lead: float) -> tuple[int, int]:
        """Positions of what today's rule takes of some, and of the best plain one among them."""
        scores, images = [], 0
        for at in among:
            found = self.points[at].weighed
            assert found is not None
            robust, images = tuple(digit == "1" for digit in found["stood"]), found["images"]
            tuned = self.points[at].row["k"]
            scores.append(CandidateScore(found["right"], robust, tuned=tuned, baseline=self.plain[at]))
        choice = choose(scores, images, margin, lead)
        return among[choice.chosen], among[choice.baseline]


def races(results: StudyResults, seeds: Sequence[int]) -> Iterator[Race]:
    """Of every pair and every one of ``seeds`` with another candidate than plain transfer."""
    for pair, seed in results.everywhere():
        view = results.of_seed(pair, seed)
        points = tuple(own(row) for row in view.candidates(pair, seed)) if seed in seeds else ()
        plain = {row["cell"] for row in view.cells(pair, seed, "plain")}
        is_plain = tuple(point.row["cell"] in plain for point in points)
        if any(is_plain) and not all(is_plain) and all(point.weighed is not None for point in points):
            yield Race(pair, seed, points, is_plain)


def later_rises(found: Iterable[Race], quantile: float) -> tuple[Numbers, Numbers]:
    """By how much the highest clean and robust accuracy still rise after each epoch; (epochs,) each."""
    rises = [
        _rises(np.array(point.row["validation"]))
        for race in found
        for point, plain in zip(race.points, race.plain, strict=True)
        if not plain
    ]
    clean, robust = np.quantile(np.array(rises), quantile, axis=0).T
    return clean, robust


def stopped_after(
    curve: Numbers, plain: Point, rises: tuple[Numbers, Numbers], first: int, margin: float
) -> int:
    """The epoch after which a candidate is stopped; the last one where it is not.

    Args:
        curve: (epochs, 2), clean and robust accuracy on validation images.
        plain: the plain candidate that is taken.
    """
    highest = np.maximum.accumulate(curve, axis=0) + np.stack(rises, axis=1)
    hopeless = (highest[:, 0] < plain.clean - margin) | (highest[:, 1] < plain.robust)
    hopeless[: first - 1] = False
    return int(np.argmax(hopeless)) + 1 if hopeless.any() else len(curve)


def stop(
    race: Race, rises: tuple[Numbers, Numbers], quantile: float, plan: Stopping, margin: float, lead: float
) -> Stopped:
    """Plain transfer first and whole, then the others until they cannot win any more."""
    everyone = range(len(race.points))
    usual, baseline = race.taken(everyone, margin, lead)
    plain = race.points[baseline]
    seconds = np.array([point.row["seconds"]["tune"] for point in race.points])
    shares = np.ones(len(seconds))
    for at, point in enumerate(race.points):
        if not race.plain[at]:
            curve = np.array(point.row["validation"])
            shares[at] = stopped_after(curve, plain, rises, plan.first_epoch, margin) / len(curve)
    left = [at for at in everyone if shares[at] == 1]
    taken, _ = race.taken(left, margin, lead)
    return Stopped(
        pair=race.pair,
        seed=race.seed,
        quantile=quantile,
        candidates=len(race.points),
        stopped=len(race.points) - len(left),
        saved=float(1 - (seconds * shares).sum() / seconds.sum()),
        changed=taken != usual,
        robust=race.points[taken].robust - race.points[usual].robust,
        clean=race.points[taken].clean - race.points[usual].clean,
    )


def _rises(curve: Numbers) -> Numbers:
    """(epochs, 2): how much higher than until then a curve comes after each of its epochs."""
    until = np.maximum.accumulate(curve, axis=0)
    found: Numbers = until[-1] - until
    return found
