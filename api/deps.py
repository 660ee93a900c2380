"""What a route may ask for: the caller, the application's context, the request with its body.

One transaction a request: ``with context.writing() as session`` inside the route, so it is committed before
the response is sent, and a connection is taken and given back by one thread (a dependency that held one
between threads could starve the thread pool while others wait for a connection). A route that only reads
may identify its caller in the same transaction (``ReadRequest``): that is one thread and one connection a
request. Workers are notified after the response: a broker that is down delays nobody, and the maintenance
of the workers would notify them again anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Annotated

from celery import Celery
from fastapi import Depends, Path, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker
from starlette.background import BackgroundTask

from api.auth import Caller, identify
from api.feed import Feed
from api.http.addresses import origin_of
from api.http.body import declared_size, read_body
from api.http.computed_once import ComputedOnce
from api.http.problems import Problem
from api.http.quota import QueueQuota
from api.http.rate_limit import Bucket, RateLimit
from api.known_rates import KnownRates
from api.readiness import Readiness
from api.rights.key_uses import KeyUses
from api.rights.refusals import Refusals
from cartl_core.catalog.network_file import NetworkFile
from cartl_core.planning.lookup import KnownDataset, KnownTeacher, Lookup
from cartl_core.spec import DataRequest, TeacherRequest
from cartl_core.spec.existing_network import NetworkRef
from cartl_core.strict_json import SMALL
from jobs.database.engine import VersionGuard, reading, transaction
from jobs.files.brought import known_dataset, known_teacher
from jobs.files.network_files import find_network
from jobs.queue import notify_workers
from jobs.settings import Settings
from jobs.store.rights.watchers import Watcher, still_allowed

# Notifications of new jobs: so many at once, and then so many a second.
NOTIFY_BURST = 16
NOTIFY_PER_SECOND = 8.0
SMALL_BODY = 16 * 1024
"""Bytes of a stranger's that are read for the sake of pace."""
JOB_ID = re.compile(r"[0-9a-f-]{1,64}")
EXAMPLE_ID = "0199f3a2c5d07c3e8a51b6f4e2d90c77"


@dataclass(frozen=True)
class AppContext:
    """What one running application holds."""

    settings: Settings
    engine: Engine
    sessions: sessionmaker[Session]
    feed: Feed
    celery: Celery
    notify_bucket: Bucket
    rate_limit: RateLimit
    quota: QueueQuota
    readiness: ComputedOnce[Readiness | Problem]
    version_guard: VersionGuard
    rates: KnownRates
    key_uses: KeyUses
    refusals: Refusals

    def reading(self) -> AbstractContextManager[Session]:
        """A session for reading: one snapshot, nothing is kept."""
        return reading(self.sessions)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session for writing: committed at the end, or not at all.

        Raises:
            DatabaseMismatch: the database is of another version; nothing was written.
        """
        with transaction(self.sessions) as session:
            yield session
            self.version_guard.check(session)

    def may_still_see(self, watcher: Watcher) -> bool:
        """Whether somebody who was let in may go on."""
        with self.reading() as session:
            require_key = self.settings.require_key
            return watcher in still_allowed(session, (watcher,), require_key=require_key)

    def notify_workers(self, job_id: str) -> BackgroundTask | None:
        """What notifies the workers of a new job once the response is out.

        In a flood of jobs not each one notifies, since telling the broker costs as much as storing the job: a
        worker that was woken takes jobs until there is none, and the maintenance of the workers notifies
        slots that are still idle.
        """
        return BackgroundTask(notify_workers, self.celery, job_id) if self.notify_bucket.take() else None


def app_context(request: Request) -> AppContext:
    """The context of the application that answers ``request``."""
    found: AppContext = request.app.state.context
    return found


async def get_app_context(request: Request) -> AppContext:
    """``app_context`` as a dependency that needs no thread."""
    return app_context(request)


ContextDep = Annotated[AppContext, Depends(get_app_context)]


def authenticate(request: Request, context: ContextDep) -> Caller:
    """Who asks. Refused: too many requests of one caller, or too many failures from one address."""
    with context.reading() as session:
        return _admit(request, context, session)


def _admit(request: Request, context: AppContext, session: Session) -> Caller:
    try:
        caller = identify(request, session, context.settings)
    except Problem:
        count_failure(request, context)
        raise
    context.rate_limit.take(caller.bucket)
    request.state.caller = caller
    if caller.use_is_due and caller.key_id is not None:
        context.key_uses.note(caller.key_id)
    return caller


def count_failure(request: Request, context: AppContext) -> None:
    """Somebody was not let in.

    Raises:
        Problem: too many failures from one address (429).
    """
    context.rate_limit.take(f"address {origin_of(request.client.host if request.client else None)}")


CallerDep = Annotated[Caller, Depends(authenticate)]


async def demand_read(caller: CallerDep) -> Caller:
    """A caller who may look."""
    return caller.demand("viewer")


async def demand_submit(caller: CallerDep) -> Caller:
    """A caller who may submit, cancel and retry."""
    return caller.demand("submitter")


async def demand_operator(caller: CallerDep) -> Caller:
    """A caller who runs the service."""
    return caller.demand("operator")


Reader = Annotated[Caller, Depends(demand_read)]
Submitter = Annotated[Caller, Depends(demand_submit)]
Operator = Annotated[Caller, Depends(demand_operator)]


@dataclass(frozen=True)
class SubmitRequest:
    """A request with a body, sent by nobody knows whom until it is opened."""

    http: Request
    context: AppContext
    received: bytes | Problem
    """The body, or what is wrong with it."""
    caller: Caller | None = None
    """Who asks, where that was found out before the body was read."""

    def open(self) -> tuple[Caller, bytes]:
        """Who asks, and may submit, and what they sent. A stranger hears nothing of their body.

        Raises:
            Problem: as ``authenticate`` and ``demand_submit`` do; else what is wrong with the body.
        """
        caller = self.caller or authenticate(self.http, self.context).demand("submitter")
        if isinstance(self.received, Problem):
            raise self.received
        return caller, self.received

    def find_network(self, ref: NetworkRef, owner: str) -> NetworkFile:
        """The network of ``owner`` that ``ref`` names.

        Raises:
            SpecError: there is none.
        """
        with self.context.reading() as session:
            return find_network(session, self.context.settings, ref, owner)

    def lookup(self, owner: str) -> Lookup:
        """Finds the data sets and teachers of ``owner``, and those that are shared with them."""
        context = self.context

        def dataset(asked: DataRequest, field: str) -> KnownDataset:
            with context.reading() as session:
                return known_dataset(session, owner, asked, field)

        def teacher(asked: TeacherRequest) -> KnownTeacher:
            with context.reading() as session:
                return known_teacher(session, context.settings, owner, asked)

        return Lookup(dataset, teacher)


async def get_short_body(request: Request, context: ContextDep, caller: Submitter) -> bytes:
    """The raw body of what has a few fields, read once the caller may submit."""
    return await read_body(request, min(SMALL.size, context.settings.max_body_bytes))


ShortBody = Annotated[bytes, Depends(get_short_body)]


async def get_submit_request(request: Request) -> SubmitRequest:
    """A request with its body, at most ``max_body_bytes`` of it.

    A small body is read before its sender is known, so that one thread both identifies the caller and
    answers: waiting for a second one costs ``POST /jobs`` about a tenth of its pace
    (docs/explanation/load.md). A body of more than ``SMALL_BODY``, or of no stated size, is not touched
    before its sender may submit.
    """
    context = app_context(request)
    caller = None
    if not 0 < declared_size(request) <= SMALL_BODY:
        caller = (await run_in_threadpool(authenticate, request, context)).demand("submitter")
    try:
        received: bytes | Problem = await read_body(request, context.settings.max_body_bytes)
    except Problem as problem:
        received = problem
    return SubmitRequest(request, context, received, caller)


SubmitRequestDep = Annotated[SubmitRequest, Depends(get_submit_request)]


@dataclass(frozen=True)
class ReadRequest:
    """A request that only reads; who asks is found out where it is answered."""

    http: Request
    context: AppContext

    @contextmanager
    def reading(self) -> Iterator[tuple[Session, Caller]]:
        """A session for reading, and the caller, who may look.

        Raises:
            Problem: as ``authenticate`` and ``demand_read`` do, before anything else is read.
        """
        with self.context.reading() as session:
            yield session, _admit(self.http, self.context, session).demand("viewer")


async def get_read_request(request: Request) -> ReadRequest:
    """The request as one that only reads."""
    return ReadRequest(request, app_context(request))


ReadRequestDep = Annotated[ReadRequest, Depends(get_read_request)]


async def get_job_id(job_id: Annotated[str, Path(description="The job's id.", examples=[EXAMPLE_ID])]) -> str:
    """A job's id; what cannot be one is not asked of the database."""
    if not JOB_ID.fullmatch(job_id):
        raise Problem("not-found", "There is no such job.")
    return job_id


JobId = Annotated[str, Depends(get_job_id)]
