"""A service that is no process: the real application, or a script of answers. Time stands still."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from api.main import create_app
from cartl import AsyncClient, Client, Retries
from jobs.settings import Settings
from tests.cartl.library.record_worker import Worker

HERE = ("127.0.0.1", 50000)


class AppTransport(httpx.BaseTransport):
    """Asks an ASGI application as a client without ``await`` does."""

    def __init__(self, app: Any) -> None:
        self._app = httpx.ASGITransport(app, client=HERE)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        return asyncio.run(self._ask(sent))

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        answer = await self._app.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())


@dataclass
class Time:
    """A clock that only moves when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)
    while_asleep: Callable[[], None] = lambda: None

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.while_asleep()

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def backend() -> str:
    return "sqlite"


@pytest.fixture
def app(settings: Settings) -> Iterator[Any]:
    app = create_app(settings)
    with TestClient(app, base_url="http://127.0.0.1:8000", client=HERE):
        yield app


@pytest.fixture
def client(app: Any, time: Time) -> Iterator[Client]:
    with Client(transport=AppTransport(app), clock=time.clock, sleep=time.sleep) as found:
        yield found


@pytest.fixture
def awaited(app: Any, time: Time) -> Callable[[Callable[[AsyncClient], Awaitable[Any]]], Any]:
    """Runs something with an ``AsyncClient`` of the application."""

    async def within(use: Callable[[AsyncClient], Awaitable[Any]]) -> Any:
        transport = httpx.ASGITransport(app, client=HERE)
        async with AsyncClient(transport=transport, clock=time.clock, sleep=time.sleep_async) as client:
            return await use(client)

    return lambda use: asyncio.run(within(use))


@dataclass
class Script:
    """Answers or raises what is next in a list; the last one again and again."""

    answers: list[httpx.Response | Exception]
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(told, Exception):
            raise told
        return httpx.Response(told.status_code, headers=told.headers, content=told.content)

    async def later(self, request: httpx.Request) -> httpx.Response:
        return self(request)


@dataclass
class Scripted:
    """Both clients over one script: ``ask`` runs a call by name on either."""

    time: Time
    jitter: Callable[[], float] = lambda: 1.0

    def run(self, kind: str, script: Script, method: str, *args: Any, **kwargs: Any) -> Any:
        """What a method of the client gives; of an iterator all of it."""
        return self._ask(kind, script, (method, args, kwargs))

    def use(self, kind: str, script: Script, method: str, *args: Any, **kwargs: Any) -> Any:
        """What a method of the handle of job `j` gives; the script answers the look at it first."""
        return self._ask(kind, script, ("job", ("j",), {}), (method, args, kwargs))

    def _ask(self, kind: str, script: Script, *steps: tuple[str, tuple[Any, ...], dict[str, Any]]) -> Any:
        retries = Retries(jitter=self.jitter)
        if kind == "sync":
            transport = httpx.MockTransport(script)
            with Client(
                transport=transport, retries=retries, clock=self.time.clock, sleep=self.time.sleep
            ) as client:
                found: Any = client
                for method, args, kwargs in steps:
                    found = getattr(found, method)(*args, **kwargs)
                return list(found) if isinstance(found, Iterator) else found

        async def ask() -> Any:
            transport = httpx.MockTransport(script.later)
            async with AsyncClient(
                transport=transport, retries=retries, clock=self.time.clock, sleep=self.time.sleep_async
            ) as client:
                found: Any = client
                for method, args, kwargs in steps:
                    found = getattr(found, method)(*args, **kwargs)
                    found = [one async for one in found] if isinstance(found, AsyncIterator) else await found
                return found

        return asyncio.run(ask())


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scripted(time: Time) -> Scripted:
    return Scripted(time)


@pytest.fixture
def script() -> Callable[..., Script]:
    """A script of answers: statuses, ``(status, body, headers)``, or exceptions."""

    def make(*told: Any) -> Script:
        return Script([_answer(one) for one in told])

    return make


def _answer(told: Any) -> httpx.Response | Exception:
    if isinstance(told, Exception):
        return told
    status, body, headers = (told, {}, {}) if isinstance(told, int) else (*told, {}, {})[:3]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, headers=headers, content=content)


@pytest.fixture
def worker(factory: sessionmaker[Session], settings: Settings) -> Worker:
    return Worker(factory, settings)
