"""Of the data sets that a job needs: whether the files are there, will be downloaded, or must be fetched.

Asked of this host's data root, which the workers share. No other host is asked: whether a download will
succeed is seen when a run tries it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from cartl_core.catalog.data_files import is_present
from cartl_core.spec.datasets import DATASETS
from jobs.settings import Settings

DataState = Literal["present", "download", "missing", "unknown"]
LOOKED_SECONDS = 2.0
"""A look at the files counts for so long: each is a few questions to the file system."""
REMEMBERED = 256


@dataclass(frozen=True)
class NeededData:
    """One data set of a job.

    Attributes:
        field: of the resolved specification: ``source``, ``dataset``, ``further.0.dataset`` ...
        name: of the catalog, or of what somebody brought.
        state: ``download``: a run will fetch it first; ``missing``: no run will; ``unknown``: a reader of
            somebody's own knows where its files lie.
        size: bytes that will be downloaded; None where nothing will be, or it is not known.
        host: from which they come.
        command: what fetches the files by hand; None where they are there.
    """

    field: str
    name: str
    state: DataState
    size: int | None = None
    host: str | None = None
    command: str | None = None


def needed_data(spec: Mapping[str, Any], settings: Settings) -> tuple[NeededData, ...]:
    """The data sets of a resolved specification, as JSON has it; the source, where there is one, first."""
    return tuple(
        NeededData(field, str(data["name"]), "present")
        if data.get("id") or data["name"] not in DATASETS
        else _of_catalog(field, data["name"], settings)
        for field, data in _named(spec)
    )


def _named(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    further = [
        (f"further.{place}.dataset", part["dataset"]) for place, part in enumerate(spec.get("further") or ())
    ]
    for field, data in (("source", spec.get("source")), ("dataset", spec["dataset"]), *further):
        if isinstance(data, str):
            yield field, {"name": data}
        elif data is not None:
            yield field, data


def _of_catalog(field: str, name: str, settings: Settings) -> NeededData:
    there = _looked(name, settings.data_root, int(time.monotonic() / LOOKED_SECONDS))
    if there:
        return NeededData(field, name, "present")
    facts = DATASETS[name]
    command = facts.fetch.format(name=name)
    if there is None:
        return NeededData(field, name, "unknown", command=command)
    if not settings.download or facts.torchvision is None:
        return NeededData(field, name, "missing", command=command)
    published = facts.torchvision
    return NeededData(field, name, "download", published.size, published.host, command)


@lru_cache(maxsize=REMEMBERED)
def _looked(name: str, data_root: Path, moment: int) -> bool | None:
    """``moment`` counts up: what was seen at another one is forgotten."""
    return is_present(name, data_root)
