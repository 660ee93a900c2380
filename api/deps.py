"""What a route may ask for: the caller, the door's own parts, the bell.

One transaction a request: ``with parts.writing() as session`` inside the route, so it is committed before the
response is sent, and a connection is taken and given back by one thread (a dependency that held one
between threads could starve the thread pool while others wait for a connection). The bell rings after the
response: a broker that is down delays nobody, and the sweeper would ring again anyway.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated

from celery import Celery
from fastapi import BackgroundTasks, Depends, Path, Request
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from api.auth import Caller, identify
from api.feed import Feed
from api.limits import RateLimit
from api.problems import Problem
from jobs.database import reading, transaction
from jobs.queue import ring
from jobs.settings import Settings

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
    limit: RateLimit

    def reading(self) -> AbstractContextManager[Session]:
        """A session for reading: one snapshot, nothing is kept."""
        return reading(self.sessions)

    def writing(self) -> AbstractContextManager[Session]:
        """A session for writing: committed at the end, or not at all."""
        return transaction(self.sessions)


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
    try:
        with parts.reading() as session:
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


class Bell:
    """Rings for the workers once the response is out."""

    def __init__(self, bells: Celery, after: BackgroundTasks) -> None:
        self._bells = bells
        self._after = after

    def ring_for(self, job_id: str) -> None:
        """Ring after the response; nothing rings when the request fails."""
        self._after.add_task(ring, self._bells, job_id)


async def get_job_id(job_id: Annotated[str, Path(description="The job's id.", examples=[EXAMPLE_ID])]) -> str:
    """A job's id; what cannot be one is not asked of the database."""
    if not JOB_ID.fullmatch(job_id):
        raise Problem("not-found", "There is no such job.")
    return job_id


JobId = Annotated[str, Depends(get_job_id)]


async def get_bell(parts: DoorDep, after: BackgroundTasks) -> Bell:
    """The bell of this request."""
    return Bell(parts.bells, after)


BellDep = Annotated[Bell, Depends(get_bell)]
