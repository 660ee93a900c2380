"""Warnings agree with their counts: one image is, several are."""

from __future__ import annotations

from collections import Counter

import pytest

from cartl_core.data.incoming.remarks import Known, warnings_of
from cartl_core.spec.resources.dataset import DatasetReport

CHANGES = ("transparent", "cmyk", "sixteen_bits", "rotated")
ONE = {
    "few_test_images": "1 of 2 classes has fewer than 10 test images: b (1).",
    "shared_train_test": "1 image of training or validation is a test image, too. It was left out there",
    "shared_train_val": "1 image of training validates, too, and was left out of training.",
    "contradicting_labels": "1 image lies in more than one class: no network can tell it right.",
    "duplicates": "1 image equals an earlier one of its split. It was kept.",
    "grey_among_colours": "1 image without colour was given three equal channels",
    "transparent": "1 image had transparent pixels",
    "cmyk": "1 image in CMYK was converted",
    "sixteen_bits": "1 image of 16 bits was divided",
    "rotated": "1 image was turned upright",
}
TWO = {
    "few_test_images": "2 of 2 classes have fewer than 10 test images: a (1), b (1).",
    "shared_train_test": "2 images of training or validation are test images, too. They were left out there",
    "shared_train_val": "2 images of training validate, too, and were left out of training.",
    "contradicting_labels": "2 images lie in more than one class: no network can tell them right.",
    "duplicates": "2 images equal an earlier one of their split. They were kept.",
    "grey_among_colours": "2 images without colour were given three equal channels",
    "transparent": "2 images had transparent pixels",
    "cmyk": "2 images in CMYK were converted",
    "sixteen_bits": "2 images of 16 bits were divided",
    "rotated": "2 images were turned upright",
}


@pytest.mark.parametrize(("count", "tests", "expected"), [(1, (20, 1), ONE), (2, (1, 1), TWO)])
def test_one_image_is_and_several_are(count: int, tests: tuple[int, int], expected: dict[str, str]) -> None:
    known = Known(
        classes=("a", "b"),
        counts={"train": (20, 20), "test": tests},
        changes=Counter(dict.fromkeys(CHANGES, count)),
        mixed=count,
        contradicting=count,
        without_images=(),
        drawn=False,
    )
    report = DatasetReport(
        files=80,
        taken=70,
        skipped=(),
        skipped_by_reason={"also_in_val": count},
        duplicates=count,
        shared_train_test=count,
        warnings=(),
    )
    said = {warning.code: warning.message for warning in warnings_of(known, report)}
    assert said.keys() == expected.keys()
    for code, begins in expected.items():
        assert said[code].startswith(begins), said[code]
