from __future__ import annotations

from typing import Any

import pytest

from cartl.demo.promises import acceptance_criteria
from cartl_core.planning.resolve import resolve
from cartl_core.report import (
    ArmReport,
    AttackResult,
    Figures,
    Interval,
    Report,
    Teacher,
)
from cartl_core.spec import JobRequest
from tests.fixtures.reports import HERE, HISTORY

SPEC = resolve(JobRequest.model_validate({"dataset": "digits", "freeze_depth": 2}), "quick")


def interval(value: float) -> Interval:
    return Interval(value=value, low=0.0, high=1.0, n=100, successes=round(100 * value))


def attack(robust: float, **changes: Any) -> AttackResult:
    facts: dict[str, Any] = {
        "label": "pgd20",
        "name": "pgd",
        "norm": "linf",
        "loss": "ce",
        "eps": 0.1,
        "step": 0.01,
        "steps": 20,
        "restarts": 1,
        "random_start": True,
        "seed": 0,
        "n": 100,
        "robust": interval(robust),
        "seconds": 1.0,
    }
    return AttackResult(**{**facts, **changes})


def figures(clean: float, *attacks: AttackResult) -> Figures:
    return Figures(
        not_finite=0, data="d", data_fingerprint="f", n=100, clean=interval(clean), attacks=attacks
    )


def teacher(*attacks: AttackResult) -> Teacher:
    return Teacher(
        objective="fdm",
        digest="t",
        freeze_depth=2,
        epochs=5,
        selected_epoch=5,
        reused=False,
        origin=HERE,
        train_eps=0.1,
        history=HISTORY,
        figures=figures(0.9, *attacks),
    )


def report(clean: float | None, *teachers: Teacher) -> Report:
    student = ArmReport(
        method="cartl",
        freeze_depth=2,
        k=6,
        blocks=8,
        frozen=(),
        objective="fdm",
        teacher_digest="t",
        validation=None,
        history=None,
        reused=False,
        origin=HERE,
        figures=None if clean is None else figures(clean),
    )
    return Report(complete=True, spec=SPEC, spec_digest="s", teachers=teachers, student=student)


@pytest.mark.parametrize(
    ("clean", "attacks", "met"),
    [
        (0.85, [attack(0.50)], [True, True]),
        (0.97, [attack(0.49)], [False, True]),
        (0.84, [attack(0.70)], [True, False]),
        (None, [], [False, False]),
        (0.97, [attack(0.90, steps=10)], [False, True]),
        (0.97, [attack(0.90, eps=0.05)], [False, True]),
        (0.97, [attack(0.90, eps=0.05), attack(0.60)], [True, True]),
    ],
)
def test_a_promise_needs_the_right_attack_and_the_figure(
    clean: float | None, attacks: list[AttackResult], met: list[bool]
) -> None:
    assert [criterion.met for criterion in acceptance_criteria(report(clean, teacher(*attacks)))] == met


def test_every_teacher_is_held_to_it() -> None:
    checked = acceptance_criteria(report(0.9, teacher(attack(0.6)), teacher(attack(0.4))))
    assert [criterion.met for criterion in checked] == [True, False, True]


def test_a_report_without_teachers_keeps_nothing_for_them() -> None:
    assert [criterion.met for criterion in acceptance_criteria(report(0.9))] == [False, True]


def test_the_words_say_what_was_measured_and_what_was_promised() -> None:
    first, second = acceptance_criteria(report(0.5, teacher(attack(0.512))))
    assert first.words.startswith("kept: ") and "51.2%" in first.words and "50%" in first.words
    assert second.words.startswith("BROKEN: ") and "85%" in second.words
