"""Criteria that pass, fail and stay undecided, on outcomes small enough to count by hand."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from scipy.stats import binom

from cartl_core.analysis.acceptance.judge import Outcomes, judge_acceptance, robust_within
from cartl_core.analysis.comparisons import compare
from cartl_core.analysis.metrics import AttackRecord, MinimalRadii
from cartl_core.render import html, markdown
from cartl_core.report import CriterionVerdict
from cartl_core.spec import AttackSpec
from cartl_core.spec.acceptance import AcceptSpec, RobustAccuracyCriterion
from tests.fixtures.reports import full_report

NEAR = AttackSpec(label="near", eps=8 / 255, step=0.01, steps=5)
FAR = AttackSpec(label="far", eps=16 / 255, step=0.01, steps=5)
ROUND = AttackSpec(label="round", norm="l2", eps=0.01, step=0.01, steps=5)


def held(robust: int, n: int) -> tuple[bool, ...]:
    return (True,) * robust + (False,) * (n - robust)


def judged(found: Outcomes, **criteria: Any) -> tuple[CriterionVerdict, ...]:
    return judge_acceptance(AcceptSpec.model_validate(criteria), found)


def of_clean(right: int, n: int, at_least: float, confidence: float = 0.95) -> CriterionVerdict:
    criterion = {"at_least": at_least, "confidence": confidence}
    (verdict,) = judged(Outcomes(held(right, n), []), clean_accuracy=criterion)
    return verdict


@pytest.mark.parametrize(
    ("right", "at_least", "status"),
    [(90, 0.80, "passed"), (90, 0.95, "failed"), (90, 0.88, "undecided"), (0, 0.0, "passed")],
)
def test_a_verdict_is_that_of_the_binomial_test(right: int, at_least: float, status: str) -> None:
    found = of_clean(right, 100, at_least)
    assert (found.status, found.why, found.n) == (status, "interval", 100)
    assert (binom.sf(right - 1, 100, at_least) <= 0.05) == (status == "passed" and right > 0)
    assert (binom.cdf(right, 100, at_least) <= 0.05) == (status == "failed")


def test_an_undecided_one_says_how_many_images_would_decide() -> None:
    found = of_clean(90, 100, 0.88)
    assert found.n_to_decide is not None
    scaled = of_clean(9 * (found.n_to_decide // 10 + 1), 10 * (found.n_to_decide // 10 + 1), 0.88)
    assert scaled.status == "passed"
    assert of_clean(9 * (found.n_to_decide // 20), 10 * (found.n_to_decide // 20), 0.88).status == "undecided"
    assert of_clean(90, 100, 0.9).n_to_decide is None
    assert of_clean(90, 100, 0.8).n_to_decide is None, "it is decided"


def test_more_confidence_takes_more_images() -> None:
    assert of_clean(90, 100, 0.84, 0.9).status == "passed"
    assert of_clean(90, 100, 0.84, 0.999).status == "undecided"


def test_attacks_and_radii_within_the_asked_one_count() -> None:
    asked = RobustAccuracyCriterion(at=8 / 255, at_least=0.5)
    found = Outcomes(
        clean=(True, True, True, True, True, False),
        attacks=[
            AttackRecord(NEAR, (False, True, True, True, True, True), 1.0),
            AttackRecord(FAR, (True, False, True, True, True, True), 1.0),
            AttackRecord(ROUND, (True, True, False, True, True, True), 1.0),
        ],
        minimal_radii=[
            MinimalRadii("linf", (inf, inf, inf, 8 / 255, 9 / 255, None)),
            MinimalRadii("l2", (0.001,) * 6),
        ],
    )
    assert robust_within(found, asked) == (False, True, True, False, True, False)


def test_a_difference_passes_where_its_lower_bound_is_above() -> None:
    def against(only_job: int, only_plain: int, at_least: float) -> CriterionVerdict:
        job = held(50, 50) + held(only_job, only_job) + held(0, only_plain)
        plain = held(50, 50) + held(0, only_job) + held(only_plain, only_plain)
        found = Outcomes(job, [], against_plain=compare("worst_case", job, plain))
        (verdict,) = judged(found, kept_against_plain={"at_least": at_least})
        return verdict

    assert against(9, 1, 0.0).status == "passed"  # one-sided exact McNemar: 11 / 1024
    assert against(7, 3, 0.0).status == "undecided"  # 176 / 1024
    assert against(1, 9, 0.0).status == "failed"
    assert against(7, 3, -0.1).status == "passed"
    assert against(7, 3, 0.0).n_to_decide == pytest.approx(60 * 1.6449**2 / 1.6, rel=0.01)
    assert against(5, 5, 0.0).n_to_decide is None


def test_without_a_comparison_nothing_is_decided() -> None:
    (verdict,) = judged(Outcomes((True,), []), kept_against_plain={"at_least": 0.0})
    assert (verdict.status, verdict.why, verdict.value) == ("undecided", "not_measured", None)


def test_a_check_that_failed_takes_a_pass_away_and_no_failure() -> None:
    records = [AttackRecord(NEAR, held(90, 100), 1.0)]
    found = Outcomes(held(95, 100), records, check_failed=True)
    criteria: dict[str, Any] = {
        "robust_accuracy": {"at": "8/255", "at_least": 0.8},
        "clean_accuracy": {"at_least": 0.8},
    }
    robust, clean = judged(found, **criteria)
    assert (robust.status, robust.why, clean.status) == ("undecided", "check_failed", "passed")
    criteria["robust_accuracy"]["at_least"] = 0.99
    robust, _ = judged(found, **criteria)
    assert (robust.status, robust.why) == ("failed", "interval")


def test_the_report_says_each_verdict() -> None:
    records = [AttackRecord(NEAR, held(90, 100), 1.0)]
    found = judged(
        Outcomes(held(95, 100), records),
        robust_accuracy={"at": "8/255", "at_least": 0.8},
        clean_accuracy={"at_least": 0.94},
        kept_against_plain={"at_least": 0.0},
    )
    report = full_report(acceptance=found)
    for page in (markdown.render(report), html.render(report)):
        assert "Not decided: of 3 criteria that were fixed before the run, 1 passed, 2 undecided." in page
        assert "robust accuracy within eps 8/255 in linf" in page
        assert "90.0 % (one-sided 95 % bounds: 83.6 % and 94.5 %; n = 100)" in page
        assert f"About {found[1].n_to_decide:,} images would decide at this share" in page
        assert "not measured" in page
    assert "Acceptance criteria" not in markdown.render(full_report())
    assert "Acceptance criteria" not in html.render(full_report())
