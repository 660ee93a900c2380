"""From outcomes to figures and words, on outcomes small enough to count by hand."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from cartl_core.analysis.checks.attack_strength import eps_one
from cartl_core.analysis.comparisons import compare
from cartl_core.analysis.metrics import AttackRecord, MinimalRadii, TestSet, figures, worst_case
from cartl_core.analysis.warnings import transfer_warnings
from cartl_core.render.phrases import failed_checks
from cartl_core.render.sentences import comparison, notice
from cartl_core.report import ArmReport, Figures, Teacher
from cartl_core.report.notices import PartialData, SplitBatches, WeakTeacher
from cartl_core.spec import AttackSpec
from cartl_core.statistics.proportions import wilson
from tests.fixtures.reports import HERE, HISTORY

ATTACK = AttackSpec(label="one", eps=0.1, step=0.01, steps=5)
OTHER = ATTACK.model_copy(update={"label": "two"})
TEST = TestSet("digits", "f", (0, 0, 1, 1), ("zero", "one"))


def test_figures_are_counts() -> None:
    clean = (True, True, True, False)
    attacks = [
        AttackRecord(ATTACK, (True, True, False, False), 2.0),
        AttackRecord(OTHER, (True, False, True, False), 1.0),
    ]
    assert worst_case(clean, attacks) == (True, False, False, False)
    found = figures(TEST, clean, attacks, seed=7)
    assert found.clean == wilson(3, 4)
    assert [attack.robust.successes for attack in found.attacks] == [2, 2]
    assert found.worst_case == wilson(1, 4)
    assert [(row.name, row.clean.successes, row.worst_case.successes) for row in found.per_class] == [
        ("zero", 2, 1),
        ("one", 1, 0),
    ]
    assert found.attacks[0].seed == 7
    assert found.attacks[0].images_per_second == 2.0


def test_before_any_attack_there_is_no_worst_case() -> None:
    found = figures(TEST, (True, True, False, False), [], seed=0)
    assert found.worst_case is None
    assert found.per_class == ()


def outcomes(*runs: tuple[bool, int]) -> tuple[bool, ...]:
    return tuple(value for value, count in runs for _ in range(count))


def test_a_clear_difference_is_said_with_its_evidence() -> None:
    job, baseline = outcomes((True, 70), (False, 30)), outcomes((True, 40), (False, 60))
    found = compare("worst_case", job, baseline)
    assert (found.both, found.only_job, found.only_baseline, found.neither) == (40, 30, 0, 30)
    assert found.verdict == "better"
    assert found.p_value == pytest.approx(2 * 0.5**30)
    said = comparison(found, arm("cartl"), arm("vanilla"))
    assert said.startswith("CARTL keeps 30.0 points more robust accuracy than plain transfer")
    assert "p < 0.0001" in said
    mirrored = compare("worst_case", baseline, job)
    assert mirrored.verdict == "worse"
    assert "30.0 points less" in comparison(mirrored, arm("vanilla"), arm("cartl"))


def test_noise_is_called_noise() -> None:
    job, baseline = outcomes((True, 51), (False, 49)), outcomes((True, 50), (False, 50))
    found = compare("clean", job, baseline)
    assert found.verdict == "within_noise"
    said = comparison(found, arm("cartl"), arm("vanilla"))
    assert "within noise" in said
    assert "p = 1" in said


def arm(method: Any, robust: int = 50, clean: int = 90, comparisons: Any = (), checks: Any = ()) -> ArmReport:
    return ArmReport(
        method=method,
        freeze_depth=2,
        k=3,
        blocks=5,
        frozen=(),
        objective="at",
        teacher_digest="t",
        validation=None,
        history=None,
        reused=False,
        origin=HERE,
        figures=Figures(
            not_finite=0,
            data="d",
            data_fingerprint="f",
            n=100,
            clean=wilson(clean, 100),
            worst_case=wilson(robust, 100),
        ),
        comparisons=comparisons,
        checks=checks,
    )


def test_warnings(job: Any) -> None:
    attack = {"label": "big", "eps": 0.3, "step": 0.02, "steps": 5}
    spec = job(evaluate={"attacks": [attack]}, model={"name": "tiny", "image_size": 16, "channels": 3})
    said = "\n".join(map(notice, transfer_warnings(spec, [])))
    assert "Attack big has eps 0.3, more than the 0.15" in said
    assert "400 of about 719 training images of the source were used (train_limit)" in said
    assert "resized from 8 to 16 pixels and given 3 channels instead of 1" in said
    assert "weak" not in said


@pytest.mark.parametrize(("limit", "partial"), [(1436, True), (1437, False), (10_000, False), (None, False)])
def test_a_limit_is_named_only_where_it_leaves_images_out(job: Any, limit: int | None, partial: bool) -> None:
    spec = job(
        dataset={"name": "digits", "train_limit": limit}, source={"name": "mnist", "train_limit": None}
    )
    said = [found for found in transfer_warnings(spec, []) if found.code == "partial_data"]
    assert len(said) == partial
    if partial:
        assert said == [PartialData(role="target", used=1436, available=1437, approximate=False)]
        assert notice(said[0]).startswith("1,436 of 1,437 training images of the target were used")


@pytest.mark.parametrize(("robust", "weak"), [(19, True), (20, False)])
def test_a_weak_teacher_is_called_weak(job: Any, robust: int, weak: bool) -> None:
    teacher = Teacher(
        objective="at",
        digest="d",
        freeze_depth=None,
        epochs=1,
        selected_epoch=1,
        reused=False,
        origin=HERE,
        train_eps=0.15,
        history=HISTORY,
        figures=arm("vanilla", robust, 50).figures,
    )
    found = [found for found in transfer_warnings(job(), [teacher]) if found.code == "weak_teacher"]
    assert found == ([WeakTeacher(objective="at", robust=wilson(robust, 100))] if weak else [])


def test_batches_that_were_cut_for_memory_are_told(job: Any) -> None:
    parts = {"teacher (at)": 2, "student (cartl)": 1}
    (cut,) = (found for found in transfer_warnings(job(), [], [], parts) if found.code == "split_batches")
    assert cut == SplitBatches(stage="teacher (at)", parts=2)
    assert "While teacher (at) was trained" in notice(cut)
    assert "2 parts" in notice(cut)


def test_what_fell_elsewhere_within_the_radius_counts_in_the_worst_case() -> None:
    """A curve and the checks both looked at some of four images; each has a say in its own norm only."""
    clean, attack = (True,) * 4, AttackRecord(ATTACK, (True,) * 4, 1.0)
    curve, checks = (
        MinimalRadii("linf", (0.1, 0.11, None, inf)),
        MinimalRadii("linf", (None, None, 0.05, inf)),
    )
    assert worst_case(clean, [attack], [curve]) == (False, True, True, True)
    assert worst_case(clean, [attack], [curve, checks]) == (False, True, False, True)
    assert worst_case(clean, [attack], [MinimalRadii("l2", (0.1,) * 4)]) == clean
    assert worst_case(clean, [], [curve]) == clean, "without an attack there is no radius to count at"


def test_failed_checks_are_told_with_the_method_and_what_to_do() -> None:
    lines = failed_checks([arm("cartl", checks=(eps_one(right=4, standing=1, settings={}),)), arm("vanilla")])
    (line,) = lines
    assert line.startswith("A check of CARTL failed (Nothing stands at eps = 1): 1 of 4 images")
    assert line.endswith("believe black-box attacks only.")
    passed = eps_one(right=4, standing=0, settings={})
    assert failed_checks([arm("cartl", checks=(passed,))]) == ()
