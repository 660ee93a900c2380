"""One stage of a run: found in the stage cache, or computed; then read back and recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cartl_core.analysis.results import StageResult
from cartl_core.analysis.run_state import RunState
from cartl_core.events import Reporter, StageFinished, StageStarted
from cartl_core.execution.checkpoint import Checkpoints
from cartl_core.execution.stage_context import StageContext
from cartl_core.planning.stage_digests import StageKey
from cartl_core.planning.stages import StageSpec, Work
from cartl_core.run.progress import Meter
from cartl_core.run.runners import RUNNERS, Inputs
from cartl_core.spec import Runtime
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stage_cache import StageCache, StageLocation
from cartl_core.storage.stage_origin import read_origin, write_origin
from cartl_core.storage.stop_flag import StopFlag


@dataclass(frozen=True)
class Services:
    """What every stage of a run is given.

    Attributes:
        cache: where stages are kept.
        report: told of everything that happens.
        stop: may be raised from elsewhere; the run then checkpoints and raises the interruption.
        checkpoint_seconds: the longest time between two checkpoints.
        run_id: the same for all attempts of one job, and another for every other job.
    """

    runtime: Runtime
    cache: StageCache
    report: Reporter
    stop: StopFlag
    checkpoint_seconds: float
    run_id: str


class StageRunner:
    """Runs the stages of one run, one after the other.

    Args:
        state: results are recorded there.
        meter: told of the progress.
    """

    def __init__(self, services: Services, inputs: Inputs, state: RunState, meter: Meter) -> None:
        self._services, self._inputs, self._state, self._meter = services, inputs, state, meter

    def result_of(self, stage: StageSpec[Work]) -> StageResult:
        """What the stage found; computed unless the cache has it.

        Raises:
            Interruption: the run was asked to stop, or another run computes this stage.
        """
        runner, started = RUNNERS[type(stage.work)], time.monotonic()
        with self._place(stage.key) as answer:
            if not answer.finished:
                ctx = self._context(stage.key, answer)
                runner.compute(stage.work, self._inputs, ctx)
                write_origin(answer.directory, self._services.run_id, ctx.checkpoints.seconds)
        seconds = time.monotonic() - started
        origin = read_origin(answer.directory, self._services.run_id)
        if not answer.finished:
            origin = origin.model_copy(update={"made_by": "this_attempt"})
        self._meter.finish(stage.key)
        self._services.report(
            StageFinished(
                stage=stage.key.kind,
                label=stage.key.label,
                digest=stage.digest,
                reused=answer.finished,
                seconds=seconds,
            )
        )
        result = runner.read(stage.work, self._inputs, answer.directory)
        self._state.record(stage.key, result, origin=origin, seconds=seconds)
        return result

    @contextmanager
    def _place(self, key: StageKey) -> Iterator[StageLocation]:
        """The cache's answer; what was computed meanwhile is stored, and the stage let go."""
        self._services.stop.check()
        cache = self._services.cache
        with disk_faults(key.label):
            answer = cache.locate(key)
            self._inputs.directories[key.digest] = answer.directory
            try:
                yield answer
                if not answer.finished:
                    cache.stored(key, answer.directory)
                    Checkpoints(answer.directory).clear()
            finally:
                cache.release(key)

    def _context(self, key: StageKey, answer: StageLocation) -> StageContext:
        services = self._services
        checkpoints = Checkpoints(
            answer.directory,
            earlier=answer.checkpoints,
            announce=lambda path, fraction: services.cache.checkpointed(key, path, fraction),
            every_seconds=services.checkpoint_seconds,
        )
        saved = checkpoints.newest()
        resumed_at = saved.fraction if saved else None
        services.report(
            StageStarted(stage=key.kind, label=key.label, digest=key.digest, resumed_at=resumed_at)
        )
        self._meter.begin(resumed_at or 0.0)
        return StageContext(
            key=key,
            directory=answer.directory,
            checkpoints=checkpoints,
            saved=saved,
            runtime=services.runtime,
            report=services.report,
            stop=services.stop,
            progress=lambda fraction: self._meter.advance(key, fraction),
        )
