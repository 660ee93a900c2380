"""The child's side of supervision: events leave by stdout, orders come in by stdin.

A supervised run trusts its supervisor to be alive. When stdin is silent for longer than the limit, or
closed, nobody counts this run's work any more: it tries to checkpoint and then ends itself.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from pydantic import ValidationError

from cartl_core.errors import WaitingForStage
from cartl_core.events import (
    ORDER,
    CheckpointWritten,
    Event,
    Ping,
    Reporter,
    StageReply,
    StageRequested,
    StageStored,
    Stop,
)
from cartl_core.planning.stage_digests import StageKey
from cartl_core.storage.stage_cache import Parts, StageLocation, computed_anew
from cartl_core.storage.stage_result import damage, discard
from cartl_core.storage.stop_flag import StopFlag

LOST_SUPERVISOR = 4
"""Exit code of a run that heard nothing for too long and could not stop in time."""
GRACE_SECONDS = 10.0
WATCH_SECONDS = 0.5
SLEPT_SECONDS = 10 * WATCH_SECONDS

log = logging.getLogger(__name__)


class JsonLines:
    """A reporter that writes one JSON object a line, whole lines from any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Write ``event`` and flush, so that the reader sees it at once."""
        line = event.model_dump_json() + "\n"
        with self._lock:
            self._stream.write(line)
            self._stream.flush()


class Orders:
    """The supervisor's orders, read by a thread of their own.

    Args:
        stream: one JSON order a line; its end means that the supervisor is gone.
        stop: raised by a ``Stop`` order, by silence and by the stream's end.
        silence_limit: seconds without any order; None waits for ever.
        end_process: what ends the run that has not stopped ``GRACE_SECONDS`` after it was left alone.
    """

    def __init__(
        self,
        stream: TextIO,
        stop: StopFlag,
        *,
        silence_limit: float | None,
        end_process: Callable[[int], object] = os._exit,
        grace_seconds: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._stop = stop
        self._silence_limit = silence_limit
        self._end_process = end_process
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._heard_at = clock()
        self._replies: defaultdict[str, deque[StageReply]] = defaultdict(deque)
        """By digest: of stages that are computed at the same time each thread waits for its own."""
        self._replied = threading.Condition()
        self._closed = threading.Event()
        self._done = threading.Event()

    def start(self) -> None:
        """Begin to listen and to watch, in daemon threads."""
        threading.Thread(target=self._listen, name="orders", daemon=True).start()
        threading.Thread(target=self._watch, name="silence", daemon=True).start()

    def finish(self) -> None:
        """The run is over: silence no longer matters."""
        self._done.set()

    def reply(self, digest: str) -> StageReply:
        """Wait for the answer to ``StageRequested(digest)``; of one digest a thread at a time.

        Raises:
            Interruption: the run was asked to stop meanwhile.
        """
        while True:
            self._stop.check()
            with self._replied:
                if self._replied.wait_for(lambda: self._replies[digest], WATCH_SECONDS):
                    return self._replies[digest].popleft()

    def _listen(self) -> None:
        for line in self._stream:
            if not line.strip():
                continue
            try:
                order = ORDER.validate_json(line)
            except ValidationError as error:
                log.warning("an order was not understood: %s", error)
                continue
            self._heard_at = self._clock()
            match order:
                case Ping():
                    pass
                case Stop():
                    self._stop.request(order.why)
                case StageReply():
                    with self._replied:
                        self._replies[order.digest].append(order)
                        self._replied.notify_all()
        self._closed.set()

    def _watch(self) -> None:
        """Two looks in a row must find silence: after a pause of the machine, pings that piled up count.

        Looks that came late mean that this process slept; its supervisor, which may have, too, gets all the
        time again.
        """
        silent, looked_at = 0, self._clock()
        while not self._done.wait(WATCH_SECONDS):
            if self._clock() - looked_at > SLEPT_SECONDS:
                self._heard_at = self._clock()
            looked_at = self._clock()
            silent = silent + 1 if self._alone() else 0
            if silent >= 2:
                log.error("the supervisor is gone; stopping")
                self._stop.request("interrupted")
                if not self._done.wait(self._grace_seconds):
                    self._end_process(LOST_SUPERVISOR)
                return

    def _alone(self) -> bool:
        if self._closed.is_set():
            return True
        return self._silence_limit is not None and self._clock() - self._heard_at > self._silence_limit


class SupervisedStageCache:
    """Asks the supervisor for every stage; the directories it names carry the claim's fencing token.

    Args:
        stages: the stages folder, which the paths in orders and events are relative to.
    """

    def __init__(self, stages: Path, report: Reporter, orders: Orders) -> None:
        self._stages = stages
        self._report = report
        self._orders = orders

    def locate(self, key: StageKey, parts: Parts = ()) -> StageLocation:
        """See ``StageCache``. The supervisor drops a result that was found damaged, unless another took its
        place meanwhile."""
        reply = self._ask(key, parts=parts)
        while reply.verdict == "finished" and (wrong := damage(self._stages / str(reply.path))) is not None:
            self._report(computed_anew(key, wrong))
            reply = self._ask(key, damaged=reply.path, parts=parts)
        if reply.verdict == "wait" or reply.path is None:
            raise WaitingForStage(key.digest)
        directory = self._stages / reply.path
        if reply.verdict == "compute":
            discard(directory)  # what this very claim finished there, if it was damaged since
        return StageLocation(
            directory=directory,
            finished=reply.verdict == "finished",
            checkpoints=tuple(self._stages / path for path in reply.checkpoints),
            parts=tuple(self._stages / path for path in reply.parts),
        )

    def _ask(self, key: StageKey, *, damaged: str | None = None, parts: Parts = ()) -> StageReply:
        asked = StageRequested(
            stage=key.kind,
            label=key.label,
            digest=key.digest,
            shared=key.shared,
            damaged=damaged,
            identity=key.identity,
            basis=dict(key.basis),
            parts=parts,
        )
        self._report(asked)
        return self._orders.reply(key.digest)

    def checkpointed(self, key: StageKey, path: Path, fraction: float) -> None:
        """Report it: it counts once the supervisor has written its row."""
        self._report(
            CheckpointWritten(stage=key.kind, digest=key.digest, path=self._relative(path), fraction=fraction)
        )

    def stored(self, key: StageKey, directory: Path) -> None:
        """Report it: it counts once the supervisor has written its row."""
        self._report(StageStored(stage=key.kind, digest=key.digest, path=self._relative(directory)))

    def release(self, key: StageKey) -> None:
        """The supervisor releases what its claim holds; there is nothing to do here."""

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._stages).as_posix()
