"""What is said before anything is tested: both ways, at the edge, and as soon as it is known."""

from __future__ import annotations

from typing import Any

import pytest

from cartl_core.analysis.warnings import (
    LARGEST_ERROR,
    not_robust,
    nothing_to_keep,
    transfer_warnings,
    unsure_choices,
)
from cartl_core.render.sentences import notice
from cartl_core.report import ArmReport, Teacher
from cartl_core.report.notices import TeacherWithoutAttack
from cartl_core.statistics.proportions import standard_error, wilson
from tests.fixtures.reports import HERE, arm_of, training_of


@pytest.mark.parametrize(
    ("clean", "robust", "classes", "nothing"),
    [
        (90, 10, 10, True),  # at most 17.4 %, surely less than 22.5 %
        (90, 16, 10, False),  # 16 % are less, but not surely: up to 24.4 %
        (90, 40, 10, False),
        (20, 3, 10, True),  # at most 8.5 %: under a quarter of 20 % it is not surely, under chance it is
        (20, 3, 20, False),
        (90, 35, 2, True),  # who always says the same is right, and robust, in half of all cases
        (90, 45, 2, False),
    ],
)
def test_nothing_to_keep_is_said_when_it_is_sure(
    clean: int, robust: int, classes: int, nothing: bool
) -> None:
    assert nothing_to_keep(wilson(clean, 100), wilson(robust, 100), classes) is nothing


def teacher(*rows: tuple[int, int], selected_epoch: int = 1, eps: float = 0.15) -> Teacher:
    history = training_of(*rows, selected_epoch=selected_epoch, validated=(100, 100))
    return Teacher(
        objective="at",
        digest="d",
        freeze_depth=None,
        epochs=len(rows),
        selected_epoch=selected_epoch,
        reused=False,
        origin=HERE,
        train_eps=eps,
        history=history,
    )


def test_a_teacher_that_is_not_robust_is_told_before_it_is_tested(job: Any) -> None:
    """From validation alone, without figures, and with what works from there."""
    (found,) = not_robust(job(), [teacher((95, 1))])
    said = notice(found)
    assert "at teacher is not robust: 1.0 % (0.2 to 5.4)" in said
    assert "95.0 % clean accuracy, on 100 validation images" in said
    assert "`method: adversarial` with `transfer.schedule: epsilon`" in said
    assert found in transfer_warnings(job(), [teacher((95, 1))])


def test_the_epoch_that_was_kept_is_judged(job: Any) -> None:
    rows = ((60, 50), (95, 1))
    assert not list(not_robust(job(), [teacher(*rows, selected_epoch=1)]))
    assert list(not_robust(job(), [teacher(*rows, selected_epoch=2)]))


def test_a_teacher_without_an_attack_is_told_whatever_it_measured(job: Any) -> None:
    (found,) = not_robust(job(), [teacher((95, 95), eps=0.0)])
    assert found == TeacherWithoutAttack(objective="at", epsilon_schedule=False)
    assert "without an attack (eps 0)" in notice(found)


def test_nobody_is_offered_what_runs_already(job: Any) -> None:
    running = job(method="adversarial", transfer={"schedule": "epsilon"}, baselines=[])
    (found,) = not_robust(running, [teacher((95, 1))])
    said = notice(found)
    assert "What works" not in said
    assert "is made for such teachers" in said


def student(select: str, n: int, right: int) -> ArmReport:
    history = training_of((n, n), (n, right), selected_epoch=2, validated=(n, n))
    return arm_of("cartl", None, history=history.model_copy(update={"select": select}).model_dump())


@pytest.mark.parametrize(("n", "unsure"), [(20, True), (100, True), (200, True), (300, False), (600, False)])
def test_a_choice_by_few_images_is_called_unsure(n: int, unsure: bool) -> None:
    """One half hold: 11 points from 20 images, 3.5 from 200, 2.9 from 300."""
    said = list(unsure_choices([student("pareto", n, n // 2)]))
    assert len(said) == unsure
    assert (standard_error(wilson(n // 2, n)) > LARGEST_ERROR) is unsure
    if n == 200:
        assert "chosen by 200 validation images" in notice(said[0])
        assert "3.5 points" in notice(said[0])


def test_an_epoch_that_nothing_chose_is_not_unsure() -> None:
    assert not list(unsure_choices([student("last", 20, 10)]))
    assert not list(unsure_choices([arm_of("cartl", None)]))


def test_the_figure_that_chose_is_the_one_that_is_judged() -> None:
    """All 100 are right without an attack, which is sure; half of them hold, which is not."""
    assert not list(unsure_choices([student("best_clean", 100, 50)]))
    assert list(unsure_choices([student("best_robust", 100, 50)]))


@pytest.mark.parametrize(
    ("typed", "beyond"), [(0.03137, False), (0.0313725, False), (0.0314, False), (0.031, True)]
)
def test_a_radius_with_four_digits_is_the_radius_that_was_meant(job: Any, typed: float, beyond: bool) -> None:
    attack = {"name": "pgd", "label": "pgd1", "eps": 8 / 255, "step": 0.01, "steps": 1}
    spec = job(pretrain={"attack": {"eps": typed}}, evaluate={"attacks": [attack], "source_attacks": []})
    said = {found.code for found in transfer_warnings(spec, [])}
    assert ("attack_beyond_teacher" in said) is beyond
