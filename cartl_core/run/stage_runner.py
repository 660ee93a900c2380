"""One stage of a run: found in the stage cache, or computed; then read back and recorded."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cartl_core.analysis.results import StageResult
from cartl_core.analysis.run_state import RunState
from cartl_core.errors import ResumeMismatch, StageDamaged
from cartl_core.evaluation.parts import joined_parts
from cartl_core.events import Reporter, StageFinished, StageStarted, Warned
from cartl_core.execution.checkpoint import Checkpoints
from cartl_core.execution.scratch import Scratch
from cartl_core.execution.stage_context import StageContext
from cartl_core.planning.estimates.scratch import DEFAULT_SCRATCH_BYTES
from cartl_core.planning.shards import WHOLE, FanOut, edges
from cartl_core.planning.stages import Attacking, StageSpec, Work, networks_of
from cartl_core.report.making import StageOrigin
from cartl_core.run import runtime as machine
from cartl_core.run.progress import Meter
from cartl_core.run.runners import RUNNERS, Inputs
from cartl_core.run.side_by_side import SideBySide
from cartl_core.run.timing.expected import Timing
from cartl_core.spec import Runtime
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.shared_arrays import SharedArrays
from cartl_core.storage.stage_cache import Parts, StageCache, StageLocation
from cartl_core.storage.stage_origin import read_origin, write_origin
from cartl_core.storage.stage_result import damage
from cartl_core.storage.stop_flag import StopFlag

TRIES = 3
"""Times that a stage is computed whose files are damaged as soon as they are written."""


@dataclass(frozen=True)
class Services:
    """What every stage of a run is given.

    Attributes:
        cache: where stages are kept.
        report: told of everything that happens.
        stop: may be raised from elsewhere; the run then checkpoints and raises the interruption.
        checkpoint_seconds: the longest time between two checkpoints.
        run_id: the same for all attempts of one job, and another for every other job.
        scratch_bytes: of one array that a stage keeps beside its result while it runs.
        timing: what the run is told of time.
        shared: where arrays lie that other runs may need too.
        fan_out: which parts of measurements others compute, or which one this process does.
    """

    runtime: Runtime
    cache: StageCache
    report: Reporter
    stop: StopFlag
    checkpoint_seconds: float
    run_id: str
    scratch_bytes: int = DEFAULT_SCRATCH_BYTES
    timing: Timing = field(default_factory=Timing)
    fan_out: FanOut = WHOLE
    shared: SharedArrays | None = None


@dataclass(frozen=True)
class FoundStage:
    """A finished stage.

    Attributes:
        seconds: of wall time that computing or finding it took.
    """

    stage: StageSpec[Work]
    result: StageResult
    origin: StageOrigin
    seconds: float


class StageRunner:
    """Runs the stages of one run, one after the other or some of them at a time.

    Args:
        state: results are recorded there, in the order in which ``result_of`` is asked for them.
        meter: told of the progress.
    """

    def __init__(self, services: Services, inputs: Inputs, state: RunState, meter: Meter) -> None:
        self._services, self._inputs, self._state, self._meter = services, inputs, state, meter
        self._stop = StopFlag(services.stop)
        self._asked: dict[str, StageSpec[Work]] = {}
        self._locks: dict[str, threading.RLock] = {}
        self._again: deque[FoundStage] = deque()
        """Stages that were computed once more, since they were damaged, and are not recorded yet."""
        self._ahead: SideBySide[FoundStage] | None = None
        # Parts of a measurement are for other slots, and a process in such a slot computes one part alone.
        if services.runtime.stages_at_once > 1 and services.fan_out == WHOLE:
            self._ahead = SideBySide(
                self._found,
                services.runtime.stages_at_once,
                self._stop,
                enter=self._enter_thread,
                waited=meter.waited,
            )

    def begin(self, stages: Iterable[StageSpec[Work]]) -> None:
        """These stages will be asked for, in this order: where several are computed at a time, begin."""
        if self._ahead:
            self._ahead.add(stages)

    def close(self) -> None:
        """The run has ended before its time: end what is computed, too."""
        if self._ahead:
            self._ahead.close()

    def result_of(self, stage: StageSpec[Work]) -> StageResult:
        """What the stage found; computed unless the cache has it.

        Raises:
            Interruption: the run was asked to stop, or another run computes this stage.
            StageDamaged: its files were damaged ``TRIES`` times before they could be read.
        """
        found = self._ahead.result_of(stage) if self._ahead else self._found(stage)
        while self._again:
            self._record(self._again.popleft())
        self._record(found)
        return found.result

    def directory(self, digest: str) -> Path:
        """Where a finished stage of this run lies; one that was damaged since is computed again.

        Raises:
            Interruption: as ``result_of`` does.
        """
        with self._alone(digest):
            if damage(self._inputs.directories[digest]) is not None:
                self._again.append(self._found(self._asked[digest]))
        return self._inputs.directories[digest]

    def _enter_thread(self) -> None:
        # OpenMP keeps the number of threads of each thread that begins a parallel region.
        machine.enter(self._services.runtime)
        self._meter.waited()

    def _record(self, found: FoundStage) -> None:
        self._state.record(found.stage.key, found.result, origin=found.origin, seconds=found.seconds)

    def _alone(self, digest: str) -> threading.RLock:
        """Held while a stage is looked for or computed; by its thread as often as it likes."""
        return self._locks.setdefault(digest, threading.RLock())

    def _found(self, stage: StageSpec[Work]) -> FoundStage:
        """Find or compute a stage, and tell of it."""
        started = time.monotonic()
        self._asked[stage.digest] = stage
        with self._alone(stage.digest):
            answer, result = self._found_or_computed(stage)
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
        return FoundStage(stage, result, origin, seconds)

    def _found_or_computed(self, stage: StageSpec[Work]) -> tuple[StageLocation, StageResult]:
        """Where the stage lies, and what it found."""
        read, tries = RUNNERS[type(stage.work)].read, 0
        while True:
            with self._place(stage) as answer:
                if not answer.finished:
                    for network in networks_of(stage.work):
                        self.directory(network.digest)
                    self._compute(stage, answer)
            tries += 1
            try:
                return answer, read(stage.work, self._inputs, answer.directory)
            except StageDamaged:
                if tries == TRIES:
                    raise

    def _compute(self, stage: StageSpec[Work], answer: StageLocation) -> None:
        """Go on from a checkpoint; begin anew where it is none of this version's."""
        compute, ctx = RUNNERS[type(stage.work)].compute, self._context(stage, answer)
        try:
            compute(stage.work, self._inputs, ctx)
        except ResumeMismatch as error:
            if ctx.saved is None:
                raise
            self._services.report(Warned(message=f"{stage.key.label} begins anew: {error}"))
            compute(stage.work, self._inputs, replace(ctx, saved=None))
        services = self._services
        write_origin(answer.directory, services.run_id, ctx.checkpoints.seconds, services.runtime.commit)

    @contextmanager
    def _place(self, stage: StageSpec[Work]) -> Iterator[StageLocation]:
        """The cache's answer; what was computed meanwhile is stored, and the stage let go."""
        self._stop.check()
        cache, key = self._services.cache, stage.key
        with disk_faults(key.label):
            answer = cache.locate(key, self._parts(stage.work))
            self._inputs.directories[key.digest] = answer.directory
            try:
                yield answer
                if not answer.finished:
                    cache.stored(key, answer.directory)
                    Checkpoints(answer.directory).clear()
            finally:
                cache.release(key)

    def _parts(self, work: Work) -> Parts:
        """What others may compute of a stage: batches of an attack, which take nearly all of its time."""
        shared = self._services.fan_out
        if shared.only is not None or not isinstance(work, Attacking) or work.attack is None:
            return ()
        return edges(len(self._inputs.images(work.data).labels), self._inputs.batch_size, shared.shards)

    def _context(self, stage: StageSpec[Work], answer: StageLocation) -> StageContext:
        services, key = self._services, stage.key
        checkpoints = Checkpoints(
            answer.directory,
            earlier=answer.checkpoints,
            announce=lambda path, fraction: services.cache.checkpointed(key, path, fraction),
            every_seconds=services.checkpoint_seconds,
        )
        saved = checkpoints.newest(lambda words: services.report(Warned(message=f"{key.label}: {words}")))
        if saved is None and answer.parts and isinstance(stage.work, Attacking):
            saved = joined_parts(answer.parts, len(self._inputs.images(stage.work.data).labels))
        only = services.fan_out.only
        resumed_at = saved.fraction if saved else None
        services.report(
            StageStarted(stage=key.kind, label=key.label, digest=key.digest, resumed_at=resumed_at)
        )
        self._meter.begin(key, resumed_at or 0.0)
        return StageContext(
            key=key,
            directory=answer.directory,
            checkpoints=checkpoints,
            saved=saved,
            runtime=services.runtime,
            report=services.report,
            stop=self._stop,
            progress=lambda fraction: self._meter.advance(key, fraction),
            scratch=Scratch(answer.directory, services.scratch_bytes),
            shared=services.shared,
            rows=(only.first, only.last) if only and only.digest == key.digest else None,
        )
