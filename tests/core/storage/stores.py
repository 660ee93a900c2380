"""The implementations of ``Store``: each must pass the same tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cartl_core.storage.directory_store import DirectoryStore
from cartl_core.storage.store import Store

IMPLEMENTATIONS: dict[str, Callable[[Path], Store]] = {
    "directory": lambda folder: DirectoryStore(folder / "store"),
}
"""By name; each is made from an empty folder of the test."""
