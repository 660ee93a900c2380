"""What one call of the record costs PostgreSQL: processor time, bytes of the log that is written ahead.

Processor time is that of all processes of the server, so a busy neighbour changes it little. Each call is a
transaction as the worker makes it, on a record with thousands of jobs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import CheckpointWritten, EpochFinished, Progress
from jobs import store
from jobs.database.engine import reading, transaction
from jobs.devices import ONE_CPU, slots_on
from jobs.state import JobState
from jobs.store import Claim, lost_tasks, tasks

LEASE_SECONDS = 3600.0
"""So long that no claim lapses while the rest is measured."""
TICKS = os.sysconf("SC_CLK_TCK")
DIGEST = "d" * 64
METRICS = {f"metric_{number}": 0.5 for number in range(8)}


@dataclass(frozen=True)
class UnitCost:
    """Of one call, on average over ``calls``.

    Attributes:
        server_ms: processor milliseconds of the database.
        client_ms: processor milliseconds of the process that asks.
        log_bytes: written ahead, and so to the disk.
    """

    calls: int
    server_ms: float
    client_ms: float
    log_bytes: float


@dataclass
class Fleet:
    """The claims of a filled record, and who makes them."""

    factory: sessionmaker[Session]
    claims: list[Claim]
    workers: list[str]

    def claim(self, turn: int) -> Claim | None:
        """As a pool process does."""
        worker = self.workers[turn % len(self.workers)]
        with transaction(self.factory) as session:
            store.free_unheld(session, worker_id=worker, supervisor_pid=10 + turn)
            claim = store.claim(
                session,
                worker_id=worker,
                lease_seconds=LEASE_SECONDS,
                supervisor_pid=10 + turn,
                slot=slots_on(ONE_CPU, 1)[0],
            )
        if claim is not None:
            self.claims.append(claim)
        return claim

    def _of(self, turn: int) -> Claim:
        return self.claims[turn % len(self.claims)]

    def progress(self, turn: int) -> None:
        """Once a second of every run."""
        event = Progress(stage="pretrain", label="teacher (fdm)", fraction=0.5, seconds_left=60.0)
        with transaction(self.factory) as session:
            store.record(session, self._of(turn), event)

    def epoch(self, turn: int) -> None:
        """An epoch's event and its metrics, with the look whether it was written before."""
        claim, epoch = self._of(turn), 1 + turn // len(self.claims)
        event = EpochFinished(
            stage="pretrain", label="teacher (fdm)", digest=DIGEST, epoch=epoch, epochs=10**6, metrics=METRICS
        )
        with transaction(self.factory) as session:
            newest = store.find(session, claim.job_id).event_count
            store.events_after(session, claim.job_id, newest)
            store.record(session, claim, event)
            store.find(session, claim.job_id)

    def checkpoint(self, turn: int) -> None:
        """The row of a checkpoint."""
        claim = self._of(turn)
        event = CheckpointWritten(stage="pretrain", digest=DIGEST, path=f"{DIGEST}/{turn}", fraction=0.5)
        with transaction(self.factory) as session:
            store.record_checkpoint(session, claim, event)

    def renewal(self, turn: int) -> None:
        """A heartbeat of a run: its lease."""
        with transaction(self.factory) as session:
            store.renew(session, self._of(turn), LEASE_SECONDS)

    def look(self, turn: int) -> None:
        """Has somebody asked to cancel?"""
        with reading(self.factory) as session:
            store.find(session, self._of(turn).job_id)

    def task_look(self, turn: int) -> None:
        """Does a task wait?"""
        with reading(self.factory) as session:
            tasks.a_task_waits(session, ("check_dataset", "verify_teacher"))

    def round(self, turn: int) -> None:
        """A worker's round of maintenance, without what one worker does for all."""
        worker = self.workers[turn % len(self.workers)]
        with transaction(self.factory) as session:
            store.has_slept(session, worker, LEASE_SECONDS)
            store.worker_beat(session, worker)
            store.stop_dead_workers(session, pid_space=worker, is_running=lambda *_: True)
            store.free_orphans(session, pid_space=worker, is_alive=lambda _: True)
            lost_tasks.free_orphan_tasks(session, pid_space=worker, is_alive=lambda _: True)
        with transaction(self.factory) as session:
            store.hold_lock(session, "sweeper", worker, 15.0)

    def sweep(self, turn: int) -> None:
        """What one worker does for all in a round."""
        with transaction(self.factory) as session:
            store.reap_expired(session)
            lost_tasks.reap_tasks(session)
        with reading(self.factory) as session:
            store.claimable_count(session)
            store.workers(session, seen_within_seconds=30.0)
            store.state_counts(session).get(JobState.RUNNING)

    def completion(self, turn: int) -> None:
        """The end of a run; each claim ends once."""
        with transaction(self.factory) as session:
            store.complete(session, self.claims.pop())


CALLS: dict[str, tuple[int, Callable[[Fleet, int], object]]] = {
    "claim": (300, Fleet.claim),
    "progress": (2000, Fleet.progress),
    "epoch": (600, Fleet.epoch),
    "checkpoint": (600, Fleet.checkpoint),
    "renewal": (1000, Fleet.renewal),
    "look": (2000, Fleet.look),
    "task look": (2000, Fleet.task_look),
    "round": (300, Fleet.round),
    "sweep": (20, Fleet.sweep),
    "completion": (200, Fleet.completion),
}
"""How often each is measured, and what it is; the claims come first, and their ends last."""


def measure(engine: Engine, fleet: Fleet, *, share: float = 1.0) -> dict[str, UnitCost]:
    """The cost of every call; ``share`` of the calls are made, at least two of each."""
    costs = {}
    for name, (count, call) in CALLS.items():
        calls = max(2, int(count * share))
        call(fleet, 0)  # connections and plans are there
        before = _spent(engine)
        for turn in range(1, calls + 1):
            call(fleet, turn)
        after = _spent(engine)
        spent = [late - early for early, late in zip(before, after, strict=True)]
        costs[name] = UnitCost(calls, *(round(part / calls, 4) for part in spent))
    return {name: replace(cost, log_bytes=round(cost.log_bytes)) for name, cost in costs.items()}


def _spent(engine: Engine) -> tuple[float, float, float]:
    """Processor milliseconds of the server and of this process, and bytes of the log, until now."""
    with engine.connect() as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        written = connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'")).scalar_one()
    return _server_ms(backend), 1000 * time.process_time(), float(written)


def _server_ms(backend: int) -> float:
    """Of all processes of the server that ``backend`` belongs to."""
    server = int(_fields(backend)[1])
    family = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    ticks = 0
    for pid in family:
        try:
            fields = _fields(pid)
        except OSError:  # ended meanwhile
            continue
        if int(fields[1]) == server:
            ticks += int(fields[11]) + int(fields[12])
    return 1000 * ticks / TICKS


def _fields(pid: int) -> list[str]:
    """Of ``/proc/PID/stat`` after the name: state, parent, ..."""
    return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
