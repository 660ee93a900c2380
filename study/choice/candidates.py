"""The candidates of ``auto`` as tables of outcomes: which test images each gets right and holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from study.compare import HEADLINE, Point, judged, last
from study.evaluation import robust_images
from study.study_results import StudyResults

Outcomes = npt.NDArray[np.bool_]
"""(candidates, images): whether a candidate is right, or right under the attack."""


@dataclass(frozen=True)
class Candidates:
    """All candidates of a pair and seed after their last epoch, seen on the same test images.

    Attributes:
        clean: (candidates, test images).
        robust: (candidates, attacked images), under PGD-100; these are the first of the test images.
        tuned: (candidates,), blocks fine-tuned.
        baseline: (candidates,), whether it is plain transfer.
    """

    pair: str
    seed: int
    names: tuple[str, ...]
    clean: Outcomes
    robust: Outcomes
    tuned: npt.NDArray[np.int_]
    baseline: Outcomes


def all_candidates(results: StudyResults, seeds: Sequence[int]) -> Iterator[Candidates]:
    """Of every pair and every one of ``seeds`` that was run, in the plan's order."""
    for pair, seed in results.everywhere():
        if seed not in seeds:
            continue
        view = results.of_seed(pair, seed)
        plain = {row["cell"] for row in view.cells(pair, seed, "plain")}
        points = [point for point in map(last, view.candidates(pair, seed)) if judged(point, HEADLINE)]
        if any(point.row["cell"] in plain for point in points):
            yield _table(pair, seed, points, plain)


def _table(pair: str, seed: int, points: Sequence[Point], plain: set[str]) -> Candidates:
    outcomes = [point.outcome for point in points]
    assert all(outcome is not None for outcome in outcomes)
    return Candidates(
        pair=pair,
        seed=seed,
        names=tuple(f"{point.row['method']}, k {point.row['k']}" for point in points),
        clean=np.array([[digit == "1" for digit in found["clean"]] for found in outcomes if found]),
        robust=np.array([robust_images(found, HEADLINE) for found in outcomes if found], dtype=bool),
        tuned=np.array([point.row["k"] for point in points]),
        baseline=np.array([point.row["cell"] in plain for point in points]),
    )
