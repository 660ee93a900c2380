"""What the client does, step by step, without doing it: generators that ``transports`` carries out.

A flow yields calls and pauses and is given the answers. The clients with and without ``await`` run the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from cartl.http.answers import not_the_service
from cartl.http.problems import JobUnfinished, ServiceUnreachable, raise_for_problem
from cartl.library import calls
from cartl.library.calls import Call
from cartl.library.incoming import Incoming, chosen
from cartl.library.retrying import Retries
from cartl.library.values import Event, EventPage, Files, Job, Sweep

T = TypeVar("T")
Clock = Callable[[], float]
"""Seconds, from any beginning."""


@dataclass(frozen=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Try:
    """Ask once, whatever comes of it."""

    call: Call[Any]


@dataclass(frozen=True)
class Answered:
    """What came of a try: the head, and the body of what was not written to a file."""

    response: httpx.Response
    body: bytes


Step = Call[Any] | Pause | Try
Flow = Generator[Step, Any, T]


def sending(call: Call[T], retries: Retries, clock: Clock) -> Flow[T]:
    """The answer to ``call``, which is asked again as ``retries`` says.

    Raises:
        ClientError: the service refused, or nobody answered in time, or not as the service does.
    """
    began, tries = clock(), 0
    while True:
        tries += 1
        failure: ServiceUnreachable | None = None
        answered: Answered | None = None
        try:
            answered = yield Try(call)
        except ServiceUnreachable as error:
            failure, pause = error, retries.after_silence(call, tries)
        else:
            response = answered.response
            pause = retries.after_answer(call, response.status_code, response.headers, tries)
        if pause is None or clock() - began + pause > retries.deadline_seconds:
            if answered is None:
                assert failure is not None
                raise failure
            raise_for_problem(answered.response, answered.body)
            return call.read(answered.body)
        yield Pause(pause)


def waiting(
    job_id: str, *, timeout: float | None, every: float, clock: Clock, show: Callable[[Job], None]
) -> Flow[Job]:
    """The job once it has ended; ``show`` sees it at every look.

    Raises:
        JobUnfinished: after ``timeout`` seconds.
    """
    began = clock()
    while True:
        job: Job = yield calls.job(job_id)
        show(job)
        if job.ended:
            return job
        if timeout is not None and clock() - began + every > timeout:
            raise JobUnfinished(f"job {job_id} is {job.state} after {timeout:.0f} seconds")
        yield Pause(every)


def waiting_for_sweep(
    sweep_id: str, *, timeout: float | None, every: float, clock: Clock, show: Callable[[Sweep], None]
) -> Flow[Sweep]:
    """The sweep once all its jobs have ended; as ``waiting``."""
    began = clock()
    while True:
        sweep: Sweep = yield calls.sweep(sweep_id)
        show(sweep)
        if sweep.ended:
            return sweep
        if timeout is not None and clock() - began + every > timeout:
            raise JobUnfinished(f"sweep {sweep_id} has jobs at work after {timeout:.0f} seconds")
        yield Pause(every)


def next_events(job_id: str, *, after: int, follow: bool, every: float) -> Flow[tuple[Event, ...]]:
    """The next events after number ``after``; none once there will be no more, or none are there yet.

    Args:
        follow: wait for events that are still to come.
    """
    while True:
        page: EventPage = yield calls.events(job_id, after)
        numbers = [event.number for event in page.data]
        if numbers:
            if numbers[0] <= after or sorted(set(numbers)) != numbers:
                raise not_the_service("it answered events that were not asked for")
            return page.data
        if page.finished or not follow:
            return ()
        yield Pause(every)


def downloading(job_id: str, name: str, folder: Path) -> Flow[tuple[Path, ...]]:
    """Files of a job, each one checked, in ``folder``; returns where they are."""
    there: Files = yield calls.files(job_id)
    written: list[Path] = []
    for file in chosen(there.data, name):
        incoming = Incoming(file, folder)
        written.append(incoming.target)
        if incoming.there:
            continue
        try:
            yield calls.file(job_id, incoming)
        finally:
            incoming.discard()
    return tuple(written)
