"""What was kept of the teacher's robustness, on outcomes small enough to count by hand."""

from __future__ import annotations

from cartl_core.analysis.metrics import AttackRecord
from cartl_core.analysis.retention import retention
from cartl_core.render import sentences
from cartl_core.spec import AttackSpec
from cartl_core.statistics.proportions import ratio, wilson
from tests.fixtures.reports import arm_of

TWENTY = AttackSpec(label="pgd20", eps=0.1, step=0.01, steps=20)
HUNDRED = AttackSpec(label="pgd100", eps=0.1, step=0.01, steps=100)


def held(attack: AttackSpec, robust: int, n: int) -> AttackRecord:
    return AttackRecord(attack, (True,) * robust + (False,) * (n - robust), 1.0)


def test_only_attacks_that_both_stood_count() -> None:
    student = (True,) * 10, [held(TWENTY, 6, 10), held(HUNDRED, 5, 10)]
    teacher = (True,) * 8, [held(TWENTY, 6, 8)]
    found = retention(student, teacher)
    assert found is not None
    assert (found.target, found.source) == (wilson(6, 10), wilson(6, 8))
    assert (found.ratio, found.low, found.high) == ratio((6, 10), (6, 8))
    assert [(pair.target, pair.source) for pair in found.attacks] == [("pgd20", "pgd20")]
    said = sentences.retention(arm_of("cartl", None, kept=found.model_dump()))
    assert said is not None
    assert said.startswith("0.80 of its teacher's robust accuracy on the source")
    assert "60.0 % of 10 target images over 75.0 % of 8 source images" in said
    assert "Across data sets" in said
    assert "at eps" not in said


def test_what_is_wrong_without_an_attack_is_not_kept() -> None:
    student = (False,) * 4 + (True,) * 6, [held(TWENTY, 10, 10)]
    found = retention(student, ((True,) * 8, [held(TWENTY, 8, 8)]))
    assert found is not None
    assert found.target == wilson(6, 10)


def test_each_data_set_has_its_own_radius_and_that_is_said() -> None:
    wider = TWENTY.model_copy(update={"eps": 0.15, "label": "wide"})
    found = retention(((True,) * 4, [held(TWENTY, 2, 4)]), ((True,) * 4, [held(wider, 2, 4)]))
    assert found is not None
    said = sentences.retention(arm_of("cartl", None, kept=found.model_dump()))
    assert said is not None
    assert "at eps 0.1 on the target and 0.15 on the source" in said
    assert (found.attacks[0].target_eps, found.attacks[0].source_eps) == (0.1, 0.15)


def test_of_several_radii_the_same_one_is_taken_and_a_choice_is_not_guessed() -> None:
    near = TWENTY.model_copy(update={"eps": 0.05, "label": "near"})
    student = (True,) * 4, [held(near, 3, 4), held(TWENTY, 2, 4)]
    found = retention(student, ((True,) * 4, [held(TWENTY, 4, 4)]))
    assert found is not None
    assert found.target == wilson(2, 4)
    other = TWENTY.model_copy(update={"eps": 0.3})
    assert retention(student, ((True,) * 4, [held(other, 4, 4)])) is None


def test_without_an_attack_in_common_or_a_robust_teacher_there_is_no_ratio() -> None:
    own = (True,) * 4, [held(TWENTY, 2, 4)]
    assert retention(own, ((True,) * 4, [held(HUNDRED, 2, 4)])) is None
    assert retention(own, ((True,) * 4, [])) is None
    assert retention(own, ((True,) * 4, [held(TWENTY, 0, 4)])) is None
