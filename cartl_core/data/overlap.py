"""Source and target must not share an image: the transfer would be measured on what it has seen."""

from __future__ import annotations

from cartl_core.data.values import Loaded
from cartl_core.errors import DataOverlap

EXAMPLES = 5


def refuse_overlap(source: Loaded, target: Loaded) -> None:
    """Compare all images that are used, by their original pixels.

    Raises:
        DataOverlap: some are in both; says how many and names a few.
    """
    shared = source.content_hashes & target.content_hashes
    if not shared:
        return
    places = _places(target, shared)
    named = ", ".join(places[:EXAMPLES]) + (", ..." if len(places) > EXAMPLES else "")
    raise DataOverlap(
        f"{len(shared)} images of the target {target.name} are also in the source {source.name} ({named}): "
        "choose other classes or another data set",
        shared=len(shared),
        examples=places[:EXAMPLES],
    )


def _places(data: Loaded, wanted: frozenset[bytes]) -> list[str]:
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    return [
        f"{name} image {position}"
        for name, split in splits.items()
        for digest, position in zip(split.digests, split.index.tolist(), strict=True)
        if digest in wanted
    ]
