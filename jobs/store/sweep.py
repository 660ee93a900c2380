"""What keeps the record true when workers die: the sweeper, worker rows, the sweeper's own lease."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.models import Worker


@dataclass(frozen=True)
class SweepResult:
    """The jobs whose lease had expired, by what became of them."""

    requeued: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()


def sweep(session: Session, *, limit: int = 100) -> SweepResult:
    """Take the jobs whose lease has expired from their workers; safe to run twice at once."""
    raise NotImplementedError


def claimable_count(session: Session) -> int:
    """How many jobs could be claimed now: the bells worth ringing, at most."""
    raise NotImplementedError


def hold_lock(session: Session, name: str, holder: str, seconds: float) -> bool:
    """Take or extend the named lease; False while somebody else holds it."""
    raise NotImplementedError


def release_lock(session: Session, name: str, holder: str) -> None:
    """Give the named lease back, if it is held by ``holder``."""
    raise NotImplementedError


def worker_started(
    session: Session, *, worker_id: str, host: str, pid: int, slots: int, version: str
) -> Worker:
    """Write a worker's row."""
    raise NotImplementedError


def free_worker_leases(
    session: Session, *, worker_id: str, host: str, alive: Callable[[int], bool]
) -> SweepResult:
    """Take the jobs of dead predecessors on this host at once, without waiting for their leases.

    A worker row of the same host is dead when its pid is this worker's own or not ``alive(pid)``.
    """
    raise NotImplementedError


def worker_beat(session: Session, worker_id: str) -> None:
    """The worker is alive."""
    raise NotImplementedError


def worker_stopped(session: Session, worker_id: str) -> None:
    """The worker has shut down cleanly."""
    raise NotImplementedError


def workers(session: Session, *, seen_within_seconds: float | None = None) -> Sequence[Worker]:
    """Workers that have not stopped, newest heartbeat first."""
    raise NotImplementedError
