"""Carrying out flows: over ``httpx.Client`` by waiting, over ``httpx.AsyncClient`` by awaiting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from cartl.http.connection import Connection, exchange_errors, proxy_errors
from cartl.http.problems import ClientError, NotUsable
from cartl.http.response_body import Body
from cartl.library.calls import Call
from cartl.library.flows import Answered, Clock, Flow, Pause, Step, Try, sending
from cartl.library.incoming import Incoming
from cartl.library.retrying import Retries

T = TypeVar("T")
PIECE = 1 << 20
"""Bytes that are read of a file at once."""


class Transport:
    """Carries out flows one step after the other."""

    def __init__(
        self,
        connection: Connection,
        retries: Retries,
        transport: httpx.BaseTransport | None,
        clock: Clock,
        sleep: Callable[[float], None],
    ) -> None:
        self.base_url = connection.base_url
        self.clock = clock
        self._retries = retries
        self._sleep = sleep
        with proxy_errors():
            self._http = httpx.Client(transport=transport, **connection.options)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def ask(self, call: Call[T]) -> T:
        """The answer to one call."""
        return self.run(sending(call, self._retries, self.clock))

    def run(self, flow: Flow[T]) -> T:
        """What ``flow`` returns."""
        try:
            step = next(flow)
            while True:
                try:
                    told = self._carry_out(step)
                except ClientError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(told)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    def _carry_out(self, step: Step) -> Any:
        match step:
            case Pause(seconds):
                self._sleep(seconds)
                return None
            case Try(call):
                return self._try(call)
            case call:
                return self.ask(call)

    def _try(self, call: Call[Any]) -> Answered:
        with exchange_errors(self.base_url, call.path):
            content: Any = call.content
            if call.file is not None:
                content = opened(call.file)
            try:
                with self._http.stream(call.method, call.path, content=content, **_options(call)) as response:
                    taken = _taker(call, response)
                    for piece in response.iter_bytes(PIECE):
                        taken.write(piece)
            finally:
                if call.file is not None:
                    content.close()
        return Answered(response, taken.whole() if isinstance(taken, Body) else b"")


class AsyncTransport:
    """Carries out flows while others go on."""

    def __init__(
        self,
        connection: Connection,
        retries: Retries,
        transport: httpx.AsyncBaseTransport | None,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.base_url = connection.base_url
        self.clock = clock
        self._retries = retries
        self._sleep = sleep
        with proxy_errors():
            self._http = httpx.AsyncClient(transport=transport, **connection.options)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def ask(self, call: Call[T]) -> T:
        """The answer to one call."""
        return await self.run(sending(call, self._retries, self.clock))

    async def run(self, flow: Flow[T]) -> T:
        """What ``flow`` returns."""
        try:
            step = next(flow)
            while True:
                try:
                    told = await self._carry_out(step)
                except ClientError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(told)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    async def _carry_out(self, step: Step) -> Any:
        match step:
            case Pause(seconds):
                await self._sleep(seconds)
                return None
            case Try(call):
                return await self._try(call)
            case call:
                return await self.ask(call)

    async def _try(self, call: Call[Any]) -> Answered:
        content: Any = call.content if call.file is None else _pieces(call.file)
        with exchange_errors(self.base_url, call.path):
            async with self._http.stream(
                call.method, call.path, content=content, **_options(call)
            ) as response:
                taken = _taker(call, response)
                async for piece in response.aiter_bytes(PIECE):
                    taken.write(piece)
        return Answered(response, taken.whole() if isinstance(taken, Body) else b"")


def opened(file: Path) -> Any:
    """A file to read, open.

    Raises:
        NotUsable: it cannot be read.
    """
    try:
        return file.open("rb")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no path"
        raise NotUsable(f"{file} cannot be read: {why}") from error


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with opened(file) as source:
        while piece := source.read(PIECE):
            yield piece


def _options(call: Call[Any]) -> dict[str, Any]:
    headers = dict(call.headers)
    if call.file is not None:
        with opened(call.file) as source:
            headers["Content-Length"] = str(source.seek(0, 2))
    return {"params": dict(call.params) or None, "headers": headers}


def _taker(call: Call[Any], response: httpx.Response) -> Body | Incoming:
    """What the body is written to: a file where it was asked for and is there, else the memory."""
    if call.into is None or not response.is_success:
        return Body()
    call.into.begin()
    return call.into
