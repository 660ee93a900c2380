"""Source and target must not share an image: the transfer would be measured on what its teacher has seen.

Large collections share a few: CIFAR-100 and CIFAR-10 have three images in common, two of them test images of
CIFAR-10. These are left out of the source, so the target stays what others measure on. Where it is more than
a few the two tasks are not two, and the run is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

import torch

from cartl_core.data.splits import Loaded, Split
from cartl_core.errors import DataOverlap
from cartl_core.report.notices import ImagesLeftOut

EXAMPLES = 5
LARGEST_SHARE = 0.01
"""Of the images of either side that are used: so many may be left out."""


def keep_apart(source: Loaded, target: Loaded) -> tuple[Loaded, int]:
    """``source`` without the images that ``target`` has too, by their original pixels, and how many.

    Raises:
        DataOverlap: they are more than ``LARGEST_SHARE`` of the source or of the target, or all that a class
            has to train on; says how many and names a few.
    """
    shared = source.content_hashes & target.content_hashes
    if not shared:
        return source, 0
    apart = replace(
        source,
        train=_without(source.train, shared),
        validation=_without(source.validation, shared),
        test=_without(source.test, shared),
        fingerprint=_fingerprint(source.fingerprint, shared),
    )
    few = all(len(shared) <= LARGEST_SHARE * len(data.content_hashes) for data in (source, target))
    if not few or _has_lost_a_class(apart):
        raise _refused(source, target, shared)
    return apart, sum(map(len, _splits(source))) - sum(map(len, _splits(apart)))


def left_out(source: Loaded, target: Loaded, count: int) -> ImagesLeftOut:
    """Notice of ``count`` images that were left out of the source."""
    return ImagesLeftOut(source=source.name, target=target.name, count=count)


def _without(split: Split, shared: frozenset[bytes]) -> Split:
    kept = torch.tensor([digest not in shared for digest in split.digests], dtype=torch.bool)
    return split.at(kept.nonzero().squeeze(1))


def _fingerprint(before: str, shared: Iterable[bytes]) -> str:
    return hashlib.sha256(before.encode() + b"".join(sorted(shared))).hexdigest()


def _has_lost_a_class(data: Loaded) -> bool:
    present = torch.bincount(data.train.labels, minlength=len(data.class_names))
    return bool(present.min() == 0) or not all(map(len, _splits(data)))


def _splits(data: Loaded) -> tuple[Split, Split, Split]:
    return data.train, data.validation, data.test


def _refused(source: Loaded, target: Loaded, shared: frozenset[bytes]) -> DataOverlap:
    places = _places(target, shared)
    named = ", ".join(places[:EXAMPLES]) + (", ..." if len(places) > EXAMPLES else "")
    return DataOverlap(
        f"{len(shared)} images of the target {target.name} are also in the source {source.name} ({named}): "
        "choose other classes or another data set",
        shared=len(shared),
        examples=places[:EXAMPLES],
    )


def _places(data: Loaded, wanted: frozenset[bytes]) -> list[str]:
    return [
        f"{name} image {position}"
        for name, split in zip(("train", "validation", "test"), _splits(data), strict=True)
        for digest, position in zip(split.digests, split.index.tolist(), strict=True)
        if digest in wanted
    ]
