"""Stages of a run that are computed at the same time, each on a thread of its own.

The run comes to its stages one after another and records them in that order, as it does where one is computed
at a time. Threads go ahead of it: each takes the first stage in that order whose networks are there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from cartl_core.errors import WaitingForStage
from cartl_core.events import Event, Reporter
from cartl_core.planning.stages import StageSpec, Work, networks_of
from cartl_core.storage.stop_flag import StopFlag

Found = TypeVar("Found")


def in_turn(report: Reporter) -> Reporter:
    """The same reporter, called from one thread at a time."""
    lock = threading.RLock()

    def told(event: Event) -> None:
        with lock:
            report(event)

    return told


class SideBySide(Generic[Found]):
    """Computes stages ahead of the run that asks for them.

    Args:
        compute: gives what a stage has found; called from several threads, never twice for one stage.
        at_once: threads, 2 or more.
        stop: raised once a stage has failed or the run has ended, for what is still computed then.
        enter: called in each thread before its first stage.
        waited: called in a thread that had nothing to do for a while, before it goes on.
    """

    def __init__(
        self,
        compute: Callable[[StageSpec[Work]], Found],
        at_once: int,
        stop: StopFlag,
        *,
        enter: Callable[[], None] = lambda: None,
        waited: Callable[[], None] = lambda: None,
    ) -> None:
        self._compute, self._at_once, self._stop = compute, at_once, stop
        self._enter, self._waited = enter, waited
        self._untaken: dict[str, StageSpec[Work]] = {}
        self._taken: set[str] = set()
        self._found: dict[str, Found] = {}
        self._elsewhere: dict[str, WaitingForStage] = {}
        """Stages that other runs compute."""
        self._failure: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def add(self, stages: Iterable[StageSpec[Work]]) -> None:
        """Compute these as well, in this order; what is known already is not computed again."""
        with self._changed:
            fresh = {stage.digest: stage for stage in stages if stage.digest not in self._taken}
            self._untaken = fresh | self._untaken
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            missing = min(self._at_once, len(self._untaken)) - len(self._threads)
            started = [
                threading.Thread(target=self._work, name="stages", daemon=True) for _ in range(missing)
            ]
            self._threads += started
            self._changed.notify_all()
        for thread in started:
            thread.start()

    def result_of(self, stage: StageSpec[Work]) -> Found:
        """What a stage that was added has found; waits until it is computed.

        Raises:
            WaitingForStage: another run computes this very stage.
            BaseException: what a stage has raised, this one or another. No further one is begun then.
        """
        digest = stage.digest
        with self._changed:
            self._changed.wait_for(
                lambda: digest in self._found or digest in self._elsewhere or self._failure is not None
            )
            if digest in self._found:
                return self._found[digest]
            raise self._failure or self._elsewhere[digest]

    def close(self) -> None:
        """Begin nothing more, stop what is under way, and wait until its checkpoints are written."""
        with self._changed:
            self._closed = True
            self._stop.request("interrupted")
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        """Of each thread, until there is nothing left to take."""
        self._enter()
        while (stage := self._next()) is not None:
            try:
                found = self._compute(stage)
            except WaitingForStage as busy:
                with self._changed:
                    self._elsewhere[stage.digest] = busy
                    self._changed.notify_all()
            except BaseException as error:  # noqa: BLE001  raised again where the run waits
                with self._changed:
                    self._failure = self._failure or error
                    self._stop.request("interrupted")
                    self._changed.notify_all()
            else:
                with self._changed:
                    self._found[stage.digest] = found
                    self._changed.notify_all()

    def _next(self) -> StageSpec[Work] | None:
        """The next stage to compute, waited for; None where nothing is left."""
        with self._changed:
            if not self._is_over() and self._first_ready() is None:
                self._changed.wait_for(lambda: self._is_over() or self._first_ready() is not None)
                self._waited()
            if self._is_over() or (stage := self._first_ready()) is None:
                return None
            del self._untaken[stage.digest]
            self._taken.add(stage.digest)
            return stage

    def _is_over(self) -> bool:
        return self._closed or self._failure is not None or not self._untaken

    def _first_ready(self) -> StageSpec[Work] | None:
        for stage in self._untaken.values():
            if all(network.digest in self._found for network in networks_of(stage.work)):
                return stage
        return None
