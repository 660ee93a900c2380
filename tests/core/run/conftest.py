"""Whole runs on real digits, with a cache that the tests of a file share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cartl_core.events import (
    Event,
    StageStarted,
)
from cartl_core.report import Report
from cartl_core.run.pipeline import run
from cartl_core.spec import JobSpec, Runtime
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stop_flag import StopFlag
from tests.fixtures.figures import saved_figures, unsaved_figures

__all__ = ["saved_figures", "unsaved_figures"]

Run = Callable[..., Report]
REQUEST = {
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
    "freeze_depth": 2,
    "preset": "smoke",
    "exports": [],
    "baselines": [],
    "pretrain": {"epochs": 3},
}
"""Of the tests of the command: small, and of seconds."""


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the tests of this file: what one computes, the others find."""
    return tmp_path_factory.mktemp("stages")


@pytest.fixture
def go(tmp_path: Path, stages: Path, runtime: Runtime) -> Run:
    """``go(spec, events)``: run with the file's cache, or with ``cache_at``."""

    def start(
        spec: JobSpec,
        events: list[Event] | None = None,
        *,
        out: str = "out",
        cache_at: Path | None = None,
        stop: StopFlag | None = None,
        listen: Callable[[Event], None] = lambda event: None,
        runtime: Runtime = runtime,
    ) -> Report:
        told, flag = events if events is not None else [], stop or StopFlag()

        def report(event: Event) -> None:
            told.append(event)
            listen(event)

        cache = LocalStageCache(cache_at or stages, report, flag)
        return run(
            spec,
            cache=cache,
            data_root=tmp_path / "data",
            out=tmp_path / out,
            report=report,
            stop=flag,
            runtime=runtime,
            checkpoint_seconds=0.0,
            exporter=None,
        )

    return start


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def computed(events: list[Event]) -> list[str]:
    return [event.label for event in of(StageStarted, events)]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a specification and gives its path."""

    def put(value: Any = REQUEST, name: str = "spec.json") -> Path:
        path = tmp_path / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    return put
