"""Events as they happen: one poller for all listeners, however many there are.

A listener holds a cursor and a small buffer, no database session. While anybody listens, one task asks
the database twice a second which of the watched jobs have news, reads the news of each job once, and hands
it out. A listener that reads slowly is passed over until its buffer is empty, so memory stays bounded. Each
look also asks whether the listeners may still see their jobs; one who may not gets nothing more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from api.schemas import EventView
from jobs.database.engine import reading
from jobs.state import JobState
from jobs.store import events_after
from jobs.store.rights.watchers import Watcher, still_allowed
from jobs.tables import Job

POLL_SECONDS = 0.5
KEEPALIVE_SECONDS = 15.0
BATCH = 200
JOBS_PER_QUERY = 500
log = logging.getLogger("cartl.api")


@dataclass(eq=False)
class Listener:
    """One client that follows one job; ``cursor`` is the last event number that it was handed."""

    watcher: Watcher
    cursor: int
    buffer: deque[EventView] = field(default_factory=deque)
    ended: bool = False
    shut_out: bool = False
    """The key was revoked, or the job is shared no more."""
    news: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class News:
    """What one look at one job brought."""

    events: tuple[EventView, ...]
    newest: int
    terminal: bool


class AccessEnded(Exception):
    """Who was let in may see this no more."""


class Feed:
    """Hands out the events of watched jobs. Lives in one event loop."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        poll_seconds: float = POLL_SECONDS,
        *,
        require_key: bool = False,
    ) -> None:
        self._sessions = sessions
        self._require_key = require_key
        self._poll_seconds = poll_seconds
        self._listeners: set[Listener] = set()
        self._poller: asyncio.Task[None] | None = None
        self._closed = False

    async def follow(self, watcher: Watcher, after: int) -> AsyncIterator[EventView | None]:
        """Events of a job after number ``after``; ``None`` now and then when nothing happens.

        Ends when the job has ended and its last event was given, or when the service stops.

        Raises:
            AccessEnded: the watcher may see the job no more.
        """
        listener = Listener(watcher=watcher, cursor=after, ended=self._closed)
        self._listeners.add(listener)
        self._wake()
        try:
            while True:
                while listener.buffer:
                    yield listener.buffer.popleft()
                if listener.shut_out:
                    raise AccessEnded
                if listener.ended:
                    return
                listener.news.clear()
                try:
                    await asyncio.wait_for(listener.news.wait(), KEEPALIVE_SECONDS)
                except TimeoutError:
                    yield None
        finally:
            self._listeners.discard(listener)

    async def close(self) -> None:
        """End all listeners, present and to come, and the poller."""
        self._closed = True
        for listener in self._listeners:
            listener.ended = True
            listener.news.set()
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    def _wake(self) -> None:
        if self._poller is None or self._poller.done():
            self._poller = asyncio.get_running_loop().create_task(self._poll())

    async def _poll(self) -> None:
        """Look, hand out, sleep; until nobody listens."""
        while self._listeners:
            looked_for = tuple(self._listeners)
            wanted = self._wanted()
            try:
                allowed, news = await asyncio.to_thread(
                    self._look, {listener.watcher for listener in looked_for}, wanted
                )
            except SQLAlchemyError as error:
                log.warning("events cannot be read now: %s", type(error).__name__)
            else:
                for listener in looked_for:
                    if listener.watcher not in allowed:
                        _shut_out(listener)
                    elif listener.watcher.job_id in news:
                        _hand_out(news[listener.watcher.job_id], listener)
            await asyncio.sleep(self._poll_seconds)

    def _wanted(self) -> dict[str, int]:
        """The watched jobs, each with the lowest cursor among listeners that are ready for more."""
        wanted: dict[str, int] = {}
        for listener in self._listeners:
            if not listener.buffer and not listener.ended:
                job_id = listener.watcher.job_id
                wanted[job_id] = min(listener.cursor, wanted.get(job_id, listener.cursor))
        return wanted

    def _look(
        self, watchers: set[Watcher], wanted: dict[str, int]
    ) -> tuple[frozenset[Watcher], dict[str, News]]:
        """Who may still watch, and the news of each job.

        One query for all counts, one more for each job that has events. Rights are looked at last: what was
        read before is given to nobody who has lost them meanwhile.
        """
        gone = News(events=(), newest=0, terminal=True)
        news = dict.fromkeys(wanted, gone)
        ids = list(wanted)
        with reading(self._sessions) as session:
            for start in range(0, len(ids), JOBS_PER_QUERY):
                rows = session.execute(
                    select(Job.id, Job.event_count, Job.state).where(
                        Job.id.in_(ids[start : start + JOBS_PER_QUERY])
                    )
                ).all()
                for job_id, count, state in rows:
                    events = (
                        events_after(session, job_id, wanted[job_id], BATCH) if count > wanted[job_id] else ()
                    )
                    news[job_id] = News(
                        events=tuple(EventView.of(event) for event in events),
                        newest=count,
                        terminal=JobState(state).is_terminal,
                    )
            return still_allowed(session, watchers, require_key=self._require_key), news


def _shut_out(listener: Listener) -> None:
    listener.buffer.clear()
    listener.ended = listener.shut_out = True
    listener.news.set()


def _hand_out(news: News, listener: Listener) -> None:
    if listener.buffer:
        return
    fresh = [event for event in news.events if event.number > listener.cursor]
    if fresh and fresh[0].number == listener.cursor + 1:
        listener.buffer.extend(fresh)
        listener.cursor = fresh[-1].number
    listener.ended = listener.ended or (news.terminal and listener.cursor >= news.newest)
    if listener.buffer or listener.ended:
        listener.news.set()
