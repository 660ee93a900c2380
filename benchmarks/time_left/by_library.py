"""The jobs as runs of the library in this process, one after another, on rates that they measure themselves.

A run has one thread. It is timed from its call to its report. The rates go from run to run as a worker hands
them on, the newest sixteen of each kind.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.time_left.jobs import Asked
from benchmarks.time_left.judge import Record
from cartl_core.events import Event, Progress, RuntimeResolved, StageMeasured
from cartl_core.planning.estimates.rates import Machine, MeasuredRate, Measurement, summarise
from cartl_core.planning.networks.existing_network import resolve_existing_network
from cartl_core.planning.resolve import resolve
from cartl_core.planning.sweep_grid import cells
from cartl_core.run import runtime as machine
from cartl_core.run.library.own_objects import inspected
from cartl_core.run.pipeline import run
from cartl_core.run.timing.expected import Timing
from cartl_core.spec import JobRequest, JobSpec
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec
from cartl_core.spec.sweep import SweepRequest
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stop_flag import StopFlag
from jobs.admission.estimate import estimate
from jobs.store.machines.rates import KEPT_OF_EACH, aged

MOST_IN_A_SWEEP = 8
STUDENT = "student.safetensors"
EVERY_SECONDS = 0.5


class Measured:
    """What was measured so far, the newest first; as the table of a service keeps it."""

    def __init__(self) -> None:
        self._rows: list[Measurement] = []
        self._machine: Machine | None = None

    def __call__(self, event: Event) -> None:
        """Take from a run what is worth keeping."""
        if isinstance(event, RuntimeResolved):
            self._machine = Machine.of(event.runtime)
        if isinstance(event, StageMeasured) and self._machine is not None:
            new = Measurement(
                self._machine, event.kind, event.size_class, event.macs, event.batches, event.seconds
            )
            alike = [row for row in self._rows if row[:3] == new[:3]]
            if len(alike) >= KEPT_OF_EACH:
                self._rows.remove(alike[-1])
            self._rows.insert(0, new)

    def rates(self) -> tuple[MeasuredRate, ...]:
        """As a run is given them."""
        return summarise(self._rows)


def watched(asked: tuple[Asked, ...], work: Path, seconds: float) -> Iterator[Record]:
    """Each job in turn, from its call to its end."""
    measured = Measured()
    students: dict[str, Path] = {}
    began = time.monotonic()
    for one in asked:
        for name, spec, network in _specs(one, students):
            if time.monotonic() - began > seconds:
                return
            students[name] = work / f"out-{len(students)}"
            yield _run(name, spec, network, students[name], work / "stages", measured)


def seen(told: list[tuple[float, float | None]], seconds: float) -> list[tuple[float, float | None]]:
    """What a service would answer twice a second: what was told last, less the time since.

    Args:
        told: (when, seconds left), the first at 0.
        seconds: of the whole run.
    """
    found: list[tuple[float, float | None]] = []
    following = iter([*told, (math.inf, None)])
    (at, left), (until, then) = next(following), next(following)
    for look in range(math.ceil(seconds / EVERY_SECONDS)):
        now = look * EVERY_SECONDS
        while until <= now:
            (at, left), (until, then) = (until, then), next(following)
        found.append((now, None if left is None else aged(left, now - at)))
    return found


def _specs(
    one: Asked, students: dict[str, Path]
) -> Iterator[tuple[str, JobSpec | EvaluateJobSpec, Path | None]]:
    if one.sweep:
        found = cells(SweepRequest.model_validate(one.request), MOST_IN_A_SWEEP, "smoke")
        for place, cell in enumerate(found, start=1):
            yield f"{one.name}, {place}", resolve(JobRequest.model_validate(cell.request)), None
    elif one.student_of is not None:
        file = students[one.student_of] / STUDENT
        request = EvaluateJobRequest.model_validate({**one.request, "network": {}})
        yield one.name, resolve_existing_network(request, inspected(file, "network")), file
    else:
        yield one.name, resolve(JobRequest.model_validate(one.request)), None


def _run(
    name: str,
    spec: JobSpec | EvaluateJobSpec,
    network: Path | None,
    out: Path,
    stages: Path,
    measured: Measured,
) -> Record:
    method = spec.method if isinstance(spec, JobSpec) else "evaluate"
    before = estimate(spec, measured.rates())
    record = Record(name, method, [(0.0, before["seconds"])], estimate=before)
    out.mkdir(parents=True)
    began = time.monotonic()

    def report(event: Event) -> None:
        measured(event)
        if isinstance(event, Progress):
            record.points.append((time.monotonic() - began, event.seconds_left))

    kept: dict[str, Any] = {"rates": measured.rates(), "began": began}
    run(
        spec,
        cache=LocalStageCache(stages, report, StopFlag()),
        data_root=out.parent / "data",
        out=out,
        report=report,
        download=False,
        network=network,
        timing=Timing(**kept),
        runtime=machine.resolve(spec, threads=1),
    )
    record.seconds, record.state = time.monotonic() - began, "succeeded"
    record.points = seen(record.points, record.seconds)
    record.load = os.getloadavg()[0]
    return record
