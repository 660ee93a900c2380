"""Who reads each data set, as its row names them, and what lies under the data root."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name

from cartl_core.catalog import DATASETS, DatasetFacts
from cartl_core.data.sources.common import Reader

Finder = Callable[[DatasetFacts, Path], Reader | None]
"""Of a data set and the data root: who reads its files there, or None where they are not."""

FINDERS: dict[str, tuple[Finder, ...]] = {
    name: tuple(resolve_name(reader) for reader in facts.readers) for name, facts in DATASETS.items()
}


def find(name: str, root: Path) -> Reader | None:
    """A reader for the files of data set ``name`` under ``root``, or None if they are not there."""
    facts = DATASETS[name]
    readers = (finder(facts, root) for finder in FINDERS[name])
    return next((reader for reader in readers if reader is not None), None)
