"""What a worker does to a job: claim, renew, record, end it one way or another."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from cartl_core.events import Event
from cartl_core.spec import JobSpec, Runtime


@dataclass(frozen=True)
class Claim:
    """The right to run a job: good while the job is running under this token."""

    job_id: str
    owner: str
    token: int
    attempt: int
    """1 for the first attempt of a try."""
    worker_id: str
    spec: JobSpec
    runtime: Runtime | None
    """None at the first claim: the child resolves it and tells; later attempts must use it."""


@dataclass(frozen=True)
class RenewResult:
    """What a worker learns when it renews its lease."""

    cancel_requested: bool


def claim(session: Session, *, worker_id: str, lease_seconds: float) -> Claim | None:
    """Take the best claimable job, or None when there is none.

    Best: highest priority, then the owner with the fewest running jobs, then the oldest. Claimable:
    queued, ``not_before`` passed, and not waiting for a stage that a live job computes.
    """
    raise NotImplementedError


def renew(session: Session, claim: Claim, lease_seconds: float) -> RenewResult:
    """Extend the lease from now on; a lapsed lease that nobody took is renewed as well.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    raise NotImplementedError


def record(session: Session, claim: Claim, event: Event) -> int:
    """Append what the child told and update the job's columns; returns the job's newest event number.

    ``progress`` updates columns only. ``epoch_finished`` also writes metrics named ``LABEL/METRIC``,
    ``report_updated`` the report, ``runtime_resolved`` the runtime (the first one stays).

    Raises:
        LostClaim: the job is no longer running under this token.
        ValueError: the event has a function of its own (stages, artifacts, the end of a run).
    """
    raise NotImplementedError


def complete(session: Session, claim: Claim) -> None:
    """running -> succeeded, also when a cancel was requested: the result is there.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    raise NotImplementedError


def fail(session: Session, claim: Claim, reason: str, message: str) -> None:
    """running -> failed, for an error that would repeat. ``reason`` is a stable snake-case code.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    raise NotImplementedError


def release(session: Session, claim: Claim, *, waiting_for: str | None = None) -> None:
    """running -> queued without using an attempt: clean shutdown, or it waits for a stage's digest.

    If a cancel was requested meanwhile, the job is cancelled instead.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    raise NotImplementedError


def lose(session: Session, claim: Claim, message: str = "the run ended without a word") -> None:
    """The child was killed: running -> queued with one attempt more used, or failed `worker_lost`.

    If a cancel was requested meanwhile, the job is cancelled instead.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    raise NotImplementedError


def acknowledge_cancel(session: Session, claim: Claim) -> None:
    """running -> cancelled: the child has stopped because its owner asked.

    Raises:
        LostClaim: the job is no longer running under this token, or nobody asked.
    """
    raise NotImplementedError
