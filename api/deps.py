"""What a route may ask for: the caller, the door's own parts, the bell.

One transaction a request: ``with parts.writing() as session`` inside the route, so it is committed before the
response is sent, and a connection is taken and given back by one thread (a dependency that held one
between threads could starve the thread pool while others wait for a connection). A route that only reads
may identify its caller in the same transaction (``Visit``): that is one thread and one connection a
request. The bell rings after the response: a broker that is down delays nobody, and the sweeper would ring
again anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from celery import Celery
from fastapi import Depends, Path, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker
from starlette.background import BackgroundTask

from api.auth import Caller, identify
from api.body import declared_size, read_body
from api.feed import Feed
from api.limits import Bucket, RateLimit
from api.problems import Problem
from api.room import Room
from cartl_core.catalog.network_file import NetworkFile
from cartl_core.spec.existing_network import NetworkRef
from jobs.database.engine import at_once, reading, transaction
from jobs.files.network_files import find_network
from jobs.queue import ring
from jobs.settings import Settings

# Bells for new jobs: so many at once, and then so many a second.
BELLS_AT_ONCE = 16
BELLS_A_SECOND = 8.0
# Of a body whose sender is not known yet.
UNSEEN_BYTES = 16_384
JOB_ID = re.compile(r"[0-9a-f-]{1,64}")
EXAMPLE_ID = "0199f3a2c5d07c3e8a51b6f4e2d90c77"


@dataclass(frozen=True)
class Door:
    """What one running application holds."""

    settings: Settings
    engine: Engine
    sessions: sessionmaker[Session]
    feed: Feed
    bells: Celery
    ringing: Bucket
    limit: RateLimit
    room: Room

    def reading(self) -> AbstractContextManager[Session]:
        """A session for reading: one snapshot, nothing is kept."""
        return reading(self.sessions)

    def writing(self) -> AbstractContextManager[Session]:
        """A session for writing: committed at the end, or not at all."""
        return transaction(self.sessions)

    def at_once(self) -> AbstractContextManager[Session]:
        """A session for one statement that writes."""
        return at_once(self.sessions)

    def bell(self, job_id: str) -> BackgroundTask | None:
        """What rings for the workers once the response is out.

        In a flood of jobs not each one rings: a worker that was woken takes jobs until there is none, and the
        sweeper rings for slots that are still idle.
        """
        return BackgroundTask(ring, self.bells, job_id) if self.ringing.take() else None


def door(request: Request) -> Door:
    """The application's own parts."""
    found: Door = request.app.state.door
    return found


async def get_door(request: Request) -> Door:
    """``door`` as a dependency that needs no thread."""
    return door(request)


DoorDep = Annotated[Door, Depends(get_door)]


def authenticate(request: Request, parts: DoorDep) -> Caller:
    """Who asks. Refused: too many requests of one caller, or too many failures from one address."""
    with parts.reading() as session:
        return _admit(request, parts, session)


def _admit(request: Request, parts: Door, session: Session) -> Caller:
    try:
        caller = identify(request, session, parts.settings)
    except Problem:
        parts.limit.take(f"address {request.client.host if request.client else ''}")
        raise
    parts.limit.take(caller.bucket)
    return caller


CallerDep = Annotated[Caller, Depends(authenticate)]


async def demand_read(caller: CallerDep) -> Caller:
    """A caller who may look."""
    return caller.demand("read")


async def demand_submit(caller: CallerDep) -> Caller:
    """A caller who may submit, cancel and retry."""
    return caller.demand("submit")


async def demand_admin(caller: CallerDep) -> Caller:
    """A caller who may manage keys."""
    return caller.demand("admin")


Reader = Annotated[Caller, Depends(demand_read)]
Submitter = Annotated[Caller, Depends(demand_submit)]
Admin = Annotated[Caller, Depends(demand_admin)]


class Parcel:
    """A request with a body, from a caller who may submit."""

    def __init__(self, request: Request, parts: Door, body: bytes) -> None:
        self.parts, self.body = parts, body
        self._request = request

    @cached_property
    def caller(self) -> Caller:
        """Who asks; a route wants to know before it looks into the body.

        Raises:
            Problem: as ``authenticate`` and ``demand_submit`` do.
        """
        return authenticate(self._request, self.parts).demand("submit")

    def find_network(self, ref: NetworkRef) -> NetworkFile:
        """The network of the caller's that ``ref`` names.

        Raises:
            SpecError: there is none.
        """
        with self.parts.reading() as session:
            return find_network(session, self.parts.settings, ref, self.caller.owner)


async def get_parcel(request: Request) -> Parcel:
    """The body of a request; one dependency, since it is hot.

    Of a stranger no more than ``UNSEEN_BYTES`` are read. A body that says it is as small is read at once, so
    that its caller is identified in the thread that answers; of any other the caller comes first, and so it
    does where something is wrong with the body, which is not for strangers to know.
    """
    parts = door(request)
    parcel = Parcel(request, parts, b"")
    if not 0 < declared_size(request) <= UNSEEN_BYTES:
        await run_in_threadpool(lambda: parcel.caller)
    try:
        parcel.body = await read_body(request, parts.settings.max_body_bytes)
    except Problem:
        await run_in_threadpool(lambda: parcel.caller)
        raise
    return parcel


ParcelDep = Annotated[Parcel, Depends(get_parcel)]


@dataclass(frozen=True)
class Visit:
    """A request that only looks; who asks is found out where it is answered."""

    request: Request
    parts: Door

    @contextmanager
    def reading(self) -> Iterator[tuple[Session, Caller]]:
        """A session for reading, and the caller, who may look.

        Raises:
            Problem: as ``authenticate`` and ``demand_read`` do, before anything else is read.
        """
        with self.parts.reading() as session:
            yield session, _admit(self.request, self.parts, session).demand("read")


async def get_visit(request: Request) -> Visit:
    """The visit that this request is."""
    return Visit(request, door(request))


VisitDep = Annotated[Visit, Depends(get_visit)]


async def get_job_id(job_id: Annotated[str, Path(description="The job's id.", examples=[EXAMPLE_ID])]) -> str:
    """A job's id; what cannot be one is not asked of the database."""
    if not JOB_ID.fullmatch(job_id):
        raise Problem("not-found", "There is no such job.")
    return job_id


JobId = Annotated[str, Depends(get_job_id)]
