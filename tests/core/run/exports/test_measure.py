"""An export that is another network is refused, whatever it differs in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cartl_core.run.exports.measure import TOLERANCE, ExportRefused, Reference, compare

IMAGES = torch.zeros(4, 1, 2, 2)
LOGITS = torch.tensor([[9.0, 1.0, 0.0], [0.0, 50.0, 1.0], [2.0, 1.0, 3.0], [1.0, 1.0, 0.0]])
LABELS = torch.tensor([0, 1, 0, 0])


def measured(export: Callable[[Tensor], Tensor], *, adversarial: bool = True) -> object:
    other = IMAGES if adversarial else None
    reference = Reference.of(lambda images: LOGITS[: len(images)], IMAGES, other, LABELS)
    return compare(reference, export)


def test_the_same_network_passes_with_its_accuracy() -> None:
    found = measured(lambda images: LOGITS.clone())
    assert found.logits_max_difference == 0  # type: ignore[attr-defined]
    assert found.robust_accuracy.successes == 3  # type: ignore[attr-defined]
    assert measured(lambda images: LOGITS, adversarial=False).robust_accuracy is None  # type: ignore[attr-defined]


def test_the_tolerance_is_of_the_largest_logit() -> None:
    allowed = TOLERANCE * 50
    assert measured(lambda images: LOGITS + 0.9 * allowed)
    with pytest.raises(ExportRefused, match="logits differ") as caught:
        measured(lambda images: LOGITS + 1.1 * allowed)
    assert caught.value.reason == "logits_differ"


def test_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(ExportRefused, match="logits differ"):
        measured(lambda images: LOGITS * float("nan"))


def test_an_answer_that_changes_is_refused_unless_it_is_a_tie() -> None:
    tie = LOGITS.clone()
    tie[3] = torch.tensor(
        [1.0, 1.0 + 1e-3, 0.0]
    )  # within the tolerance of 5e-3, and the network's own is a tie
    assert measured(lambda images: tie)
    clear = torch.tensor([[0.0, 2.1e-3 * 5, 0.0], [0.0, 50.0, 1.0]])
    moved = torch.tensor([[5.3e-3, 5.2e-3, 0.0], [0.0, 50.0, 1.0]])
    images, labels = IMAGES[:2], LABELS[:2]
    reference = Reference.of(lambda batch: clear, images, images, labels)
    with pytest.raises(ExportRefused, match="differ") as caught:
        compare(reference, lambda batch: moved)
    assert caught.value.reason in ("answers_differ", "logits_differ")
