"""The means and intervals of the study's first page, against scipy on the committed rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from study.compare import HEADLINE, accuracy, last
from study.plan import Plan
from study.study_results import StudyResults, read_results, results_of
from study.summary import METHODS, PLAIN, drawings, rows, summary


@pytest.fixture(scope="module")
def committed() -> StudyResults:
    return read_results()


def test_means_and_intervals_are_those_of_the_differences_over_seeds(committed: StudyResults) -> None:
    found = next(
        row for row in rows(committed) if row.pair == "fashion-high-low" and row.method == "turned-mild"
    )
    k = METHODS["turned-mild"][1]
    differences = []
    for pair, seed in committed.everywhere():
        if pair != "fashion-high-low":
            continue
        cells = committed.of_seed(pair, seed).cells(pair, seed)
        robust = {row["method"]: accuracy(last(row), HEADLINE) for row in cells if row["k"] == k}
        differences.append(robust["turned-mild"] - robust[PLAIN])
    assert found.seeds == len(differences) == 6
    low, high = stats.t.interval(
        0.95, len(differences) - 1, loc=np.mean(differences), scale=stats.sem(differences)
    )
    assert found.robust == pytest.approx((np.mean(differences), low, high), abs=1e-9)


def test_a_method_needs_two_seeds_and_plain_transfer_beside_it(committed: StudyResults) -> None:
    found = rows(committed)
    assert all(row.seeds >= 2 for row in found)
    assert ("cifar10-split-long", "cartl") not in {(row.pair, row.method) for row in found}
    assert summary(committed).count("\n") == len(found) + 1


def test_without_rows_there_is_no_figure(plan: Plan) -> None:
    assert list(drawings(results_of(plan, {"digits": []}))) == []
