"""The gallery of worst images: on a network whose every answer can be worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.evaluation.diagnostics import DIAGNOSTICS, Subject
from cartl_core.evaluation.diagnostics.worst_images import magnification, shown
from cartl_core.spec.measures.diagnostics import GallerySpec

EPS = 0.1


class Brightness(nn.Module):
    """Logits of two classes: how dark and how bright an image is on average, steeply."""

    def forward(self, images: Tensor) -> Tensor:
        bright = 20 * (images.mean(dim=(1, 2, 3)) - 0.5)
        return torch.stack((-bright, bright), dim=1)


def rows_of(levels: list[float], labels: list[int], **asked: Any) -> tuple[dict[str, Tensor], Any]:
    images = torch.tensor(levels).reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    truth, index = torch.tensor(labels), torch.arange(len(levels)) + 100
    spec = GallerySpec(eps=EPS, **{"steps": 10, **asked})
    subject = Subject(network=Brightness(), freeze_depth=0, others={}, seed=3, labels=truth)  # type: ignore[arg-type]
    rows = DIAGNOSTICS["gallery"].batch(subject, spec)(images, truth, index)
    return rows, DIAGNOSTICS["gallery"].summarise(subject, spec, rows)


# Class 0 is dark, 1 is bright; 0.1 away from 0.5 and beyond, nothing can be changed. The fourth is wrong.
LEVELS = [0.45, 0.48, 0.42, 0.7, 0.2, 0.53, 0.9]
LABELS = [0, 0, 0, 0, 0, 1, 1]


def test_the_most_wrong_of_each_class_come_first() -> None:
    _, gallery = rows_of(LEVELS, LABELS)
    assert (gallery.n, gallery.right, gallery.fooled) == (7, 6, 4)
    assert [(image.index, image.label, image.wrong_label) for image in gallery.images] == [
        (101, 0, 1),
        (105, 1, 0),
        (100, 0, 1),
        (102, 0, 1),
    ]


def test_it_says_how_sure_the_network_is_before_and_under_attack() -> None:
    _, gallery = rows_of(LEVELS, LABELS)
    worst = gallery.images[0]
    assert worst.confidence == pytest.approx(1 / (1 + torch.e ** -(40 * 0.02)), abs=1e-4)
    assert worst.wrong_confidence == pytest.approx(1 / (1 + torch.e ** -(40 * 0.08)), abs=1e-4)
    assert worst.left_confidence == pytest.approx(1 - worst.wrong_confidence, abs=1e-6)
    assert worst.distance == pytest.approx(EPS, abs=1e-6)


def test_the_attack_goes_on_after_the_network_is_fooled() -> None:
    rows, _ = rows_of([0.499], [0])
    assert rows["adversarial"].mean().item() == pytest.approx(0.599, abs=1e-6)


def test_only_as_many_as_asked_are_shown() -> None:
    _, gallery = rows_of(LEVELS, LABELS, shown=2)
    assert [image.index for image in gallery.images] == [101, 105]
    assert gallery.fooled == 4


def test_where_nothing_can_be_changed_there_is_nothing_to_show() -> None:
    rows, gallery = rows_of([0.2, 0.9], [0, 1])
    assert (gallery.images, gallery.fooled, gallery.magnification) == ((), 0, 1)
    assert shown(rows, gallery)["clean"].shape == (0, 1, 4, 4)


def test_an_image_is_attacked_alike_in_every_batch() -> None:
    whole, _ = rows_of(LEVELS, LABELS)
    first, _ = rows_of(LEVELS[:3], LABELS[:3])
    for name, rows in first.items():
        assert torch.equal(whole[name][:3], rows)


def test_the_pixels_are_those_of_the_images_in_their_order() -> None:
    rows, gallery = rows_of(LEVELS, LABELS)
    pictures = shown(rows, gallery)
    assert pictures["clean"].mean(dim=(1, 2, 3)).tolist() == pytest.approx([0.48, 0.53, 0.45, 0.42], abs=1e-6)
    assert (pictures["adversarial"] - pictures["clean"]).abs().amax().item() <= EPS + 1e-6


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_it_stays_in_the_ball_of_its_norm(norm: str) -> None:
    _, gallery = rows_of([0.499, 0.501], [0, 1], norm=norm)
    assert gallery.norm == norm
    assert gallery.images
    for image in gallery.images:
        assert image.distance <= EPS * (1 + 1e-5)


@pytest.mark.parametrize(("largest", "times"), [(0.1, 5), (8 / 255, 15), (0.5, 1), (0.9, 1), (0.0, 1)])
def test_no_magnified_pixel_is_cut(largest: float, times: int) -> None:
    assert magnification(torch.tensor([0.0, -largest])) == times
