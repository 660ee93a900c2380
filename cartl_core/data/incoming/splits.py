"""Which images are trained, validated and tested on; no image is in two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from cartl_core.data.incoming.collect import Place
from cartl_core.data.packed import SPLITS
from cartl_core.data.stratified import stratified
from cartl_core.nn.rng import generator
from cartl_core.spec.resources.dataset import SplitName

LEAST_TRAINING_IMAGES = 2
"""Of each class: one to train on, and one that may be kept for validation."""
LEAST_TRAINING_IMAGES_IN_ALL = 10
"""A tenth of them is kept for validation by default, and must be one at least."""
IN_TEST, IN_VALIDATION = "also_in_test", "also_in_val"


@dataclass(frozen=True)
class Assigned:
    """By position: the split of an image, or why it is left out."""

    splits: tuple[SplitName | None, ...]
    left_out: dict[int, str]
    drawn: bool
    """The content had no test images: they were drawn here."""


def assign(places: Sequence[Place], digests: Sequence[bytes], fraction: float, seed: int) -> Assigned:
    """Splits as given, or drawn from what is for training.

    Equal images are drawn together, so that none is on both sides. Given splits keep their test images: what
    they share with training and validation is left out there, and so is from training what validates.

    Args:
        places: in an order that does not depend on how the content was packed.
        digests: of each image.
        fraction: of the images that are for training, drawn for tests where no split is given for them.
        seed: of the draw.
    """
    drawn = not any(place.split == "test" for place in places)
    splits: list[SplitName | None] = [place.split or "train" for place in places]
    if drawn:
        for position in _drawn(places, digests, splits, fraction, seed):
            splits[position] = "test"
    left_out = {}
    for other, against, reason in LEFT_OUT:
        kept = {digest for digest, split in zip(digests, splits, strict=True) if split == against}
        for position, split in enumerate(splits):
            if split in other and digests[position] in kept:
                splits[position], left_out[position] = None, reason
    return Assigned(tuple(splits), left_out, drawn)


LEFT_OUT: tuple[tuple[tuple[SplitName, ...], SplitName, str], ...] = (
    (("train", "val"), "test", IN_TEST),
    (("train",), "val", IN_VALIDATION),
)
"""Images of these splits that are in that one too are left out, for this reason."""


def _drawn(
    places: Sequence[Place],
    digests: Sequence[bytes],
    splits: Sequence[SplitName | None],
    fraction: float,
    seed: int,
) -> list[int]:
    """Positions of test images: stratified, equal images together, one of each class if it has enough."""
    groups: dict[bytes, list[int]] = {}
    for position, split in enumerate(splits):
        if split == "train":
            groups.setdefault(digests[position], []).append(position)
    members = list(groups.values())
    labels = torch.tensor([places[group[0]].label for group in members], dtype=torch.int64)
    count = round(len(members) * fraction)
    chosen = set(stratified(labels, count, generator(seed, "test split")).tolist())
    for label in set(labels.tolist()) - {int(labels[group]) for group in chosen}:
        of_class = (labels == label).nonzero().squeeze(1)
        if len(of_class) > LEAST_TRAINING_IMAGES:
            lot = torch.randint(len(of_class), (1,), generator=generator(seed, "test split", label))
            chosen.add(int(of_class[lot]))
    return [position for group in sorted(chosen) for position in members[group]]


def lacking(splits: Sequence[SplitName], labels: Sequence[int], classes: Sequence[str]) -> str | None:
    """What is missing for a job to train and test on these images; None: nothing."""
    counts = {split: [0] * len(classes) for split in SPLITS}
    for split, label in zip(splits, labels, strict=True):
        counts[split][label] += 1
    for name, train, test in zip(classes, counts["train"], counts["test"], strict=True):
        if train < LEAST_TRAINING_IMAGES:
            return f"class {name!r} has {train} training and {test} test images; allowed: {_AT_LEAST}"
        if test == 0:
            return f"class {name!r} has no test image; allowed: {_AT_LEAST}"
    if sum(counts["train"]) < LEAST_TRAINING_IMAGES_IN_ALL:
        return f"there are {sum(counts['train'])} training images; allowed: {_AT_LEAST}"
    return None


_AT_LEAST = (
    f"from {LEAST_TRAINING_IMAGES} training images and one test image of each class on, and from "
    f"{LEAST_TRAINING_IMAGES_IN_ALL} training images in all"
)
