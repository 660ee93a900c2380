"""Balanced accuracy, the lowest class, and what is said where classes have few test images."""

from __future__ import annotations

from typing import Any

import pytest

from cartl_core.analysis.metrics import AttackRecord, TestSet, figures
from cartl_core.analysis.over_classes import few_test_images, over_classes
from cartl_core.render import html, markdown
from cartl_core.render.sentences import notice
from cartl_core.report import Figures, Report
from cartl_core.report.notices import SmallClass
from cartl_core.spec import AttackSpec
from tests.fixtures.reports import figures_of, full_report

NAMES = ("cat", "dog", "owl")
TRUE = (0,) * 8 + (1,) * 2
RIGHT = (True,) * 8 + (True, False)


def test_every_class_counts_the_same() -> None:
    found = over_classes(RIGHT, TRUE, NAMES)
    assert found is not None
    assert found.balanced.value == pytest.approx((1.0 + 0.5) / 2)
    assert (found.lowest.name, found.lowest.n, found.lowest.value) == ("dog", 2, 0.5)
    assert (found.classes, found.fewest) == (2, 2)
    assert found.balanced.low < 0.75 < found.balanced.high
    assert found.lowest.low < 0.5 < found.lowest.high
    assert over_classes((), (), NAMES) is None


def test_figures_have_them_without_and_under_attack() -> None:
    test = TestSet("digits", "f", TRUE, NAMES[:2])
    attack = AttackSpec(label="one", eps=0.1, step=0.01, steps=5)
    robust = (True,) * 4 + (False,) * 6
    found = figures(test, RIGHT, [AttackRecord(attack, robust, 1.0)], seed=0)
    assert found.clean_over_classes == over_classes(RIGHT, TRUE, NAMES)
    assert found.worst_case_over_classes == over_classes(robust, TRUE, NAMES)
    assert found.clean.value == 0.9
    before = figures(test, RIGHT, [], seed=0)
    assert before.clean_over_classes is not None
    assert before.worst_case_over_classes is None


def test_an_older_report_is_read_without_them() -> None:
    old = figures_of(150, 90).model_dump(mode="json")
    for name in ("clean_over_classes", "worst_case_over_classes"):
        old.pop(name)
    assert Figures.model_validate(old).clean_over_classes is None
    report = full_report()
    assert "Every class counting the same" not in markdown.render(report) + html.render(report)


def with_classes() -> Report:
    found = over_classes(RIGHT, TRUE, ("cat", "a|b <i>"))
    update: dict[str, Any] = {"clean_over_classes": found, "worst_case_over_classes": found}
    report = full_report()
    assert report.student and report.student.figures
    measured = report.student.figures.model_copy(update=update)
    student = report.student.model_copy(update={"figures": measured})
    return report.model_copy(update={"student": student})


def test_both_faces_show_them() -> None:
    report = with_classes()
    text, page = markdown.render(report), html.render(report)
    for face in (text, page):
        assert "Every class counting the same" in face
        assert "75.0 %" in face
        assert "n = 2" in face
    assert "a|b <i>: 50.0 %" not in text
    assert "<i>: 50.0 %" not in page


def test_classes_with_few_test_images_are_named() -> None:
    true = (0,) * 12 + (1,) * 9 + (2,) * 3
    (found,) = few_test_images("target", true, NAMES)
    assert (found.classes, found.few) == (3, 2)
    assert found.smallest == (SmallClass(name="owl", n=3), SmallClass(name="dog", n=9))
    said = notice(found)
    assert "2 of 3 classes of the target have fewer than ten test images (owl 3 and dog 9)" in said
    assert "the 95 % interval of owl alone is 6 to 79 %" in said
    assert not list(few_test_images("target", (0,) * 10 + (1,) * 10, NAMES[:2]))


def test_a_class_without_test_images_is_said_and_many_are_not_all_named() -> None:
    names = tuple(f"class {number}" for number in range(30))
    (found,) = few_test_images("source", (0,) * 10, names)
    assert (found.few, len(found.smallest)) == (29, 20)
    assert "Nothing is measured of class 1." in notice(found)
    assert "among others" in notice(found)
