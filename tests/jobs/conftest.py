"""Helpers that put jobs into the states that tests start from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.spec import JobSpec, Runtime
from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import reading, transaction
from jobs.store import Claim
from jobs.tables import Job, JobEvent
from tests.factories import claim_job, make_runtime, make_spec, submit_job


class Submit(Protocol):
    def __call__(self, owner: str = "ann", **options: Any) -> str: ...


@pytest.fixture
def spec() -> JobSpec:
    return make_spec()


@pytest.fixture
def submit(factory: sessionmaker[Session]) -> Submit:
    """Submit a tiny job; the id."""
    return partial(submit_job, factory)


@pytest.fixture
def claim(factory: sessionmaker[Session]) -> Callable[..., Claim]:
    """Claim the next job; there must be one."""
    return partial(claim_job, factory)


@pytest.fixture
def do(factory: sessionmaker[Session]) -> Callable[..., Any]:
    """Call a function of the store in a transaction of its own."""

    def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        with transaction(factory) as session:
            return function(session, *arguments, **options)

    return call


@pytest.fixture
def row(factory: sessionmaker[Session]) -> Callable[[str], Job]:
    """A job as it is now."""

    def read(job_id: str) -> Job:
        with reading(factory) as session:
            return store.find(session, job_id)

    return read


@pytest.fixture
def story(factory: sessionmaker[Session]) -> Callable[[str], list[str]]:
    """The types of a job's events, in order; their numbers must run 1, 2, 3 ..."""

    def read(job_id: str) -> list[str]:
        with reading(factory) as session:
            events = session.scalars(
                select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.number)
            ).all()
            assert [event.number for event in events] == list(range(1, len(events) + 1))
            assert store.find(session, job_id).event_count == len(events)
        return [event.type for event in events]

    return read


@pytest.fixture
def expire(factory: sessionmaker[Session]) -> Callable[[str], None]:
    """Let a job's lease lapse, as if its worker had been silent."""

    def lapse(job_id: str) -> None:
        with transaction(factory) as session:
            session.execute(update(Job).where(Job.id == job_id).values(lease_expires_at=FromNow(-1)))

    return lapse


@pytest.fixture
def runtime() -> Runtime:
    return make_runtime()
