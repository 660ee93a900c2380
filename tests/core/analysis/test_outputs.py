"""What is said of a network that gives no numbers, one class alone, or no more than that would get."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cartl_core.analysis.metrics import Outputs, TestSet
from cartl_core.analysis.outputs import EXISTING, network_notices, no_better_than
from cartl_core.render.sentences import notice
from cartl_core.report.notices import NoBetterThanOneClass, OneAnswer, OutputsNotFinite
from cartl_core.statistics.proportions import wilson

NAMES = ("cat", "dog", "owl", "fox", "bee")


def test_set(labels: Sequence[int]) -> TestSet:
    return TestSet("animals", "f" * 64, tuple(labels), NAMES)


test_set.__test__ = False  # type: ignore[attr-defined]


def codes(answers: Sequence[int], labels: Sequence[int]) -> list[str]:
    right = tuple(answer == label for answer, label in zip(answers, labels, strict=True))
    outputs = Outputs(right, answers=tuple(answers))
    return [found.code for found in network_notices(EXISTING, outputs, 0, test_set(labels))]


BALANCED = [label for label in range(5) for _ in range(40)]


def test_every_image_called_one_class() -> None:
    """Five classes, each as frequent: 20 % clean accuracy, which one answer alone gets."""
    assert codes([2] * 200, BALANCED) == ["one_answer"]
    outputs = Outputs(tuple(label == 2 for label in BALANCED), answers=(2,) * 200)
    (one,) = network_notices(EXISTING, outputs, 0, test_set(BALANCED))
    assert isinstance(one, OneAnswer) and (one.answer, one.share) == ("owl", wilson(200, 200))
    assert notice(one).startswith("The given network answers owl to 100.0 % of 200 test images")


def test_a_network_that_has_learned_is_not_mentioned() -> None:
    assert codes(BALANCED, BALANCED) == []
    half = [label if at % 2 else (label + 1) % 5 for at, label in enumerate(BALANCED)]
    assert codes(half, BALANCED) == []


def test_guessing_is_no_better_than_one_class_though_answers_differ() -> None:
    assert codes([at % 5 for at in range(200)], BALANCED) == ["no_better_than_one_class"]


def test_nearly_all_answers_are_one_class() -> None:
    """From 95 % on, whatever the accuracy of the others is."""
    answers = [label if at % 40 < 2 else 2 for at, label in enumerate(BALANCED)]
    assert answers.count(2) == 192
    assert codes(answers, BALANCED) == ["one_answer"]
    fewer = [label if at % 40 < 3 else 2 for at, label in enumerate(BALANCED)]
    assert fewer.count(2) == 188
    assert codes(fewer, BALANCED) == []


def test_a_frequent_class_may_be_a_frequent_answer() -> None:
    """Where 96 % of the images are of one class, a perfect network answers so; a constant one is found."""
    labels = [0] * 960 + [1] * 40
    assert codes(labels, labels) == []
    assert codes([0] * 1000, labels) == ["one_answer"]


@pytest.mark.parametrize(("right", "found"), [(20, True), (27, True), (29, True), (30, False), (60, False)])
def test_few_images_cannot_tell(right: int, found: bool) -> None:
    """Of 100 images, with a class that 21.5 of them have: the interval of 29 right ones begins at 21.0 %."""
    assert no_better_than(wilson(right, 100), 0.215) == found


def test_of_outputs_that_are_not_finite_nothing_else_is_said() -> None:
    right = (False,) * 150 + tuple(label == 4 for label in BALANCED[150:])
    outputs = Outputs(right, frozenset(range(150)), (0,) * 150 + (4,) * 50)
    (found,) = network_notices(EXISTING, outputs, 160, test_set(BALANCED))
    assert isinstance(found, OutputsNotFinite) and (found.not_finite, found.n) == (160, 200)


def test_without_stored_answers_the_accuracy_still_tells() -> None:
    """Results that earlier versions stored."""
    outputs = Outputs(tuple(label == 2 for label in BALANCED))
    (found,) = network_notices(EXISTING, outputs, 0, test_set(BALANCED))
    assert isinstance(found, NoBetterThanOneClass)
    assert (found.clean, found.share) == (wilson(40, 200), 0.2)
    assert "20.0 % (15.0 to 26.1) clean accuracy, and 20.0 % of the images" in notice(found)
