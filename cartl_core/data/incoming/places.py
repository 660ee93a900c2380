"""From paths to classes and splits, as torchvision's ``ImageFolder`` reads a folder of class folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cartl_core.data.incoming.collect import Place
from cartl_core.data.incoming.reading.members import shown
from cartl_core.data.incoming.rejection import Rejected
from cartl_core.spec.resources.dataset import SplitName
from cartl_core.spec.visible_text import first_hidden

SPLIT_FOLDERS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Names of folders in lower case; they count where one of them is for training."""
LONGEST_CLASS_NAME = 100
NO_CLASS, BESIDE_SPLITS = "no_class_folder", "beside_the_splits"


@dataclass(frozen=True)
class Layout:
    """How the folders of a content are to be read."""

    wrapping: int
    """Folders at the top that hold all others."""
    splits: bool
    """Class folders lie in folders of splits."""


@dataclass(frozen=True)
class Placed:
    """Classes in order, and for each path its place or why it has none."""

    classes: tuple[str, ...]
    places: tuple[Place | str, ...]
    without_images: tuple[str, ...] = ()
    """Folders where classes lie, of which no image could be used."""


def place(paths: Sequence[tuple[str, ...]], other: Iterable[tuple[str, ...]] = ()) -> Placed:
    """Classes and splits of all images.

    Args:
        paths: of each image: its folders, then the file's name.
        other: of files that could not be used.

    Raises:
        Rejected: a class has a name that is not visible text, or is too long.
    """
    layout = _layout(paths)
    found = [_found(path[layout.wrapping :], layout) for path in paths]
    classes = class_names(one[1] for one in found if not isinstance(one, str))
    labels = {name: label for label, name in enumerate(classes)}
    unused = (_found(path[layout.wrapping :], layout) for path in other if len(path) > layout.wrapping)
    return Placed(
        classes,
        tuple(one if isinstance(one, str) else Place(one[0], labels[one[1]], one[2]) for one in found),
        tuple(sorted({one[1] for one in unused if not isinstance(one, str)} - labels.keys())),
    )


def class_names(names: Iterable[str]) -> tuple[str, ...]:
    """Each once, as ``sorted`` orders them, which is what ``ImageFolder`` does.

    Raises:
        Rejected: one cannot be shown.
    """
    classes = tuple(sorted(set(names)))
    for name in classes:
        check_class_name(name)
    return classes


def check_class_name(name: str) -> None:
    """Raises ``Rejected`` where a name is empty, too long or not all visible."""
    if not name.strip() or len(name) > LONGEST_CLASS_NAME:
        raise Rejected(
            "archive_unsafe",
            f"the class {shown(name)!r} has {len(name)} characters; allowed: 1 to {LONGEST_CLASS_NAME}",
        )
    if (code := first_hidden(name)) is not None:
        raise Rejected(
            "archive_unsafe", f"the class {shown(name)!r} holds {code}, which is not visible or reorders text"
        )


def _layout(paths: Sequence[tuple[str, ...]]) -> Layout:
    wrapping = 0
    while _all_in_one_folder(paths, wrapping):
        wrapping += 1
    tops = {path[wrapping].lower() for path in paths if len(path) > wrapping + 1}
    splits = {SPLIT_FOLDERS[top] for top in tops if top in SPLIT_FOLDERS}
    return Layout(wrapping, "train" in splits and (len(splits) > 1 or tops <= SPLIT_FOLDERS.keys()))


def _all_in_one_folder(paths: Sequence[tuple[str, ...]], depth: int) -> bool:
    """Whether one folder, which is no split, holds all images, each in a folder of its own within it."""
    tops = {path[depth] if len(path) > depth + 2 else None for path in paths}
    only = next(iter(tops)) if len(tops) == 1 else None
    return only is not None and only.lower() not in SPLIT_FOLDERS


def _found(path: tuple[str, ...], layout: Layout) -> tuple[SplitName | None, str, tuple[str, ...]] | str:
    """Split, class and what sorts it within the class; or why it has none."""
    if not layout.splits:
        return (None, path[0], path[1:]) if len(path) > 1 else NO_CLASS
    split = SPLIT_FOLDERS.get(path[0].lower())
    if split is None or len(path) == 1:
        return BESIDE_SPLITS
    return (split, path[1], path[2:]) if len(path) > 2 else NO_CLASS
