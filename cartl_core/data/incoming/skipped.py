"""Files that are no images of the data set: each is named with its reason, the first of them by path."""

from __future__ import annotations

from collections import Counter

from cartl_core.data.incoming.reading.members import shown
from cartl_core.data.incoming.rejection import Rejected
from cartl_core.spec.resources.dataset import SkippedFile

SKIPPED_IN_WORDS = {
    "hidden": "hidden files, or in a hidden folder",
    "system_file": "left by an operating system",
    "archive_inside": "archives within the archive, which are not opened",
    "no_image_suffix": "no image by their names",
    "no_class_folder": "in no class folder",
    "beside_the_splits": "beside the folders of the splits",
    "unknown_array": "arrays of an unknown name",
    "also_in_test": "equal to a test image",
    "also_in_val": "equal to a validation image",
    "empty": "empty",
    "not_an_image": "no image by their content",
    "damaged": "damaged, or made to harm a decoder",
    "truncated": "cut off",
    "animated": "of several frames or pages",
    "mode_not_read": "of floats, or of colours that are not read",
    "too_many_pixels": "of more pixels than are allowed",
    "file_too_large": "of more bytes than any allowed image has",
}
"""Every reason for which a file is skipped, in words."""
UNUSABLE = frozenset(
    (
        "empty",
        "not_an_image",
        "damaged",
        "truncated",
        "animated",
        "mode_not_read",
        "too_many_pixels",
        "file_too_large",
    )
)
"""Those of files that should have been images."""
LARGEST_UNUSABLE_SHARE = 0.05
MOST_NAMED = 100


class Skipped:
    """All files that were passed over."""

    def __init__(self) -> None:
        self.by_reason: Counter[str] = Counter()
        self._named: list[SkippedFile] = []
        self._unusable: SkippedFile | None = None

    def add(self, path: str, reason: str) -> None:
        """Count a file; ``reason`` is a key of ``SKIPPED_IN_WORDS``."""
        self.by_reason[reason] += 1
        file = SkippedFile(path=shown(path), reason=reason)
        self._named.append(file)
        if reason in UNUSABLE:
            self._unusable = min(self._unusable or file, file, key=lambda one: one.path)
        if len(self._named) >= 10 * MOST_NAMED:
            self._named = list(self.named)

    @property
    def named(self) -> tuple[SkippedFile, ...]:
        """The first of them by path: the same ones however the content was packed."""
        return tuple(sorted(self._named, key=lambda file: file.path)[:MOST_NAMED])

    def check_unusable(self, usable: int) -> None:
        """Refuse a content of which too many images are broken: something went wrong before it was sent.

        Raises:
            Rejected: more than ``LARGEST_UNUSABLE_SHARE`` of all image files; names the first of them.
        """
        unusable = sum(count for reason, count in self.by_reason.items() if reason in UNUSABLE)
        images = usable + unusable
        first = self._unusable
        if first is None or unusable <= LARGEST_UNUSABLE_SHARE * images:
            return
        raise Rejected(
            "unreadable",
            f"{unusable:,} of {images:,} image files cannot be used, e.g. {first.path!r} is "
            f"{SKIPPED_IN_WORDS[first.reason]}; allowed: up to {LARGEST_UNUSABLE_SHARE:.0%}",
        )
