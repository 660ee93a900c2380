"""The Markdown face: every figure with its n and interval, and nothing invented."""

from __future__ import annotations

import pytest

from cartl_core.render import words
from cartl_core.render.markdown import render
from cartl_core.report import (
    ArmReport,
    AttackResult,
    ClassResult,
    Figures,
    PairedComparison,
    Report,
    Teacher,
)
from cartl_core.resolve import resolve
from cartl_core.spec import DataSpec, JobRequest, digest
from cartl_core.statistics import wilson


def attack(robust: int, n: int) -> AttackResult:
    return AttackResult(
        label="pgd20",
        name="pgd",
        norm="linf",
        loss="ce",
        eps=8 / 255,
        step=2 / 255,
        steps=20,
        restarts=2,
        random_start=True,
        seed=7,
        n=n,
        robust=wilson(robust, n),
        seconds=1.5,
    )


def figures(clean: int, robust: int, n: int = 200) -> Figures:
    return Figures(
        data="digits",
        data_fingerprint="f" * 64,
        n=n,
        clean=wilson(clean, n),
        attacks=(attack(robust, n),),
        worst_case=wilson(robust, n),
        per_class=(ClassResult(label=0, name="a|b", clean=wilson(clean, n), worst_case=wilson(robust, n)),),
    )


def arm(method: str, measured: Figures | None, **more: object) -> ArmReport:
    return ArmReport.model_validate(
        {
            "method": method,
            "freeze_depth": 2,
            "k": 3,
            "blocks": 5,
            "frozen": ["blocks 1 to 2"],
            "objective": "fdm" if method == "cartl" else "at",
            "teacher_digest": "a" * 64,
            "student_digest": "b" * 64,
            "selected_epoch": 4,
            "figures": measured.model_dump() if measured else None,
            **more,
        }
    )


@pytest.fixture
def spec():
    request = {"dataset": {"name": "digits", "classes": [5, 6, 7]}, "freeze_depth": 2, "preset": "smoke"}
    return resolve(JobRequest.model_validate(request))


@pytest.fixture
def report(spec) -> Report:
    comparison = PairedComparison(
        what="worst_case",
        n=200,
        both=90,
        only_job=30,
        only_baseline=10,
        neither=70,
        difference=0.1,
        low=0.04,
        high=0.16,
        p_value=0.0022,
        verdict="better",
        words="CARTL keeps 10.0 points more.",
    )
    return Report(
        complete=True,
        spec=spec,
        spec_digest=digest(spec),
        headline="CARTL keeps more.",
        warnings=("The teacher is weak.",),
        teachers=(
            Teacher(
                objective="fdm",
                digest="a" * 64,
                freeze_depth=2,
                epochs=5,
                selected_epoch=5,
                reused=False,
                train_eps=8 / 255,
                figures=figures(150, 100),
            ),
        ),
        student=arm("cartl", figures(180, 120), tuned_layer_norms={"head": 0.6}),
        baselines=(arm("vanilla", figures(184, 100), comparisons=[comparison.model_dump()]),),
        seconds={"teacher (fdm)": 75.2},
    )


def test_every_accuracy_is_shown_with_its_interval_and_n(report: Report) -> None:
    text = render(report)
    for figure in (wilson(180, 200), wilson(120, 200), wilson(184, 200), wilson(100, 200)):
        assert words.interval(figure) in text
    assert "The same 200 test images" in text
    assert "eps 8/255, step 2/255, 20 steps, 2 restarts, random start, seed 7" in text


def test_warnings_come_before_any_figure(report: Report) -> None:
    text = render(report)
    assert text.index("The teacher is weak.") < text.index("clean accuracy")


def test_what_the_paired_comparison_says_is_printed_as_it_was_found(report: Report) -> None:
    text = render(report)
    assert "CARTL keeps 10.0 points more." in text
    assert "+10.0 (+4.0 to +16.0)" in text
    assert "0.0022" in text


def test_a_cell_cannot_break_the_table(report: Report) -> None:
    assert "| a\\|b | 200 |" in render(report)


def test_a_report_with_nothing_known_says_that_it_is_not_complete(spec) -> None:
    text = render(Report(complete=False, spec=spec, spec_digest=digest(spec)))
    assert "Not complete" in text
    assert "accuracy" not in text


def test_a_student_without_figures_is_not_given_any(spec) -> None:
    partial = Report(complete=False, spec=spec, spec_digest=digest(spec), student=arm("cartl", None))
    assert "not yet known | not yet known" in render(partial)


@pytest.mark.parametrize(
    ("eps", "said"), [(8 / 255, "8/255"), (0.1, "0.1"), (0.0, "0"), (1.0, "255/255"), (0.5 / 255, "0.001961")]
)
def test_a_radius_is_said_in_levels_where_it_is_one(eps: float, said: str) -> None:
    assert words.radius(eps) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (75, "1 min 15 s"), (7260, "2 h 1 min")]
)
def test_durations(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_many_classes_are_counted_not_listed() -> None:
    assert words.data(DataSpec(name="cifar100", classes=tuple(range(50)))) == "CIFAR-100, 50 of 100 classes"
