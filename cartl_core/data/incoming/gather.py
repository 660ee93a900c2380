"""Every file or array of a content looked at once: images are kept, all else is named with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cartl_core.data.incoming.collect import Collection, Place
from cartl_core.data.incoming.decode import decode
from cartl_core.data.incoming.places import place
from cartl_core.data.incoming.reading.members import Member, Meter
from cartl_core.data.incoming.reading.npz_arrays import opened_npz
from cartl_core.data.incoming.rejection import Unusable
from cartl_core.data.incoming.skipped import Skipped
from cartl_core.spec.resources.image_names import skipped_by_name

Report = Callable[[float], None]
"""Told which part of the content has been looked at, 0 to 1."""
NO_FOLDER = frozenset(("hidden", "system_file"))
"""Files skipped for these reasons say nothing of the classes."""


@dataclass
class Gathered:
    """What the content holds."""

    collection: Collection
    skipped: Skipped = field(default_factory=Skipped)
    classes: tuple[str, ...] = ()
    places: list[Place | str] = field(default_factory=list)
    """Of each image of the collection, or why it has none."""
    changes: list[frozenset[str]] = field(default_factory=list)
    """Likewise: what was done to it."""
    without_images: tuple[str, ...] = ()

    def changes_of(self, positions: Iterable[int]) -> Counter[str]:
        """How many of these images each change was made to."""
        return Counter(change for position in positions for change in self.changes[position])


def gather_files(members: Iterable[Member], collection: Collection, meter: Meter, report: Report) -> Gathered:
    """Decode every member that should be an image.

    Raises:
        Rejected: the content is unsafe, too large, damaged, or too many of its images are.
    """
    gathered = Gathered(collection)
    unused: set[tuple[str, ...]] = set()
    for member in members:
        report(member.done)
        reason = skipped_by_name(member.parts) or _take(member, gathered, meter)
        if reason is not None:
            gathered.skipped.add(member.path, reason)
            if reason not in NO_FOLDER:
                unused.add((*member.parts[:-1], ""))
    gathered.skipped.check_unusable(len(collection.images))
    placed = place([image.parts for image in collection.images], unused)
    gathered.classes, gathered.places = placed.classes, list(placed.places)
    gathered.without_images = placed.without_images
    return gathered


def _take(member: Member, gathered: Gathered, meter: Meter) -> str | None:
    """Keep the image of ``member``; why not, where it cannot be used."""
    try:
        image = decode(member.read(), meter.limits.image_pixels)
    except Unusable as why:
        return why.reason
    gathered.collection.add(image.pixels, member.parts, member.stamp)
    gathered.changes.append(image.changes)
    return None


def gather_arrays(content: Path, collection: Collection, meter: Meter, report: Report) -> Gathered:
    """Take every image of the arrays of an .npz file.

    Raises:
        Rejected: as ``opened_npz`` and ``Arrays.images``.
    """
    gathered = Gathered(collection)
    with opened_npz(content, meter) as arrays:
        gathered.classes = arrays.classes
        for name in arrays.unknown:
            gathered.skipped.add(name, "unknown_array")
        for image in arrays.images():
            report(image.done)
            collection.add(image.pixels, image.parts)
            gathered.places.append(image.place)
            gathered.changes.append(frozenset())
    return gathered
