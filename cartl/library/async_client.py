"""The client of programs that do other things meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from cartl.client import DEFAULT_URL
from cartl.http.connection import connection
from cartl.library import calls
from cartl.library.bodies import (
    NEWEST,
    Request,
    encoded,
    evaluation,
    network_of,
    plain,
    remeasurement,
    request_body,
)
from cartl.library.job_handle import AsyncJobHandle
from cartl.library.retrying import Retries
from cartl.library.sweep_handle import AsyncSweepHandle
from cartl.library.transports import AsyncTransport
from cartl.library.values import Delivery, DryRun, Estimate, Key, NewWebhook, Webhook


class AsyncClient:
    """A connection to one service: as ``Client``, with ``await``. Also an async context manager.

    >>> async with AsyncClient("http://127.0.0.1:8000") as client:       # doctest: +SKIP
    ...     job = await client.submit(dataset="digits", freeze_depth=3)
    ...     print((await (await job.wait()).report()).headline)

    Args:
        url: address of the service.
        key: its API key, where it asks for one.
        retries: how patient it is; ``Retries(tries=1)`` asks once.
        transport: what carries requests instead of the network.
        clock: seconds, from any beginning.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        key: str | None = None,
        *,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transport = AsyncTransport(connection(url, key), retries or Retries(), transport, clock, sleep)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._transport.close()

    async def submit(
        self, request: Request | None = None, /, *, idempotency_key: str | None = None, **fields: Any
    ) -> AsyncJobHandle:
        """Post a job, as ``Client.submit`` does."""
        call = calls.submit(request_body(request, fields), idempotency_key or calls.new_key())
        return AsyncJobHandle(self._transport, await self._transport.ask(call))

    async def estimate(self, request: Request | None = None, /, **fields: Any) -> Estimate:
        """What a job would cost; nothing is stored."""
        return (await self._transport.ask(calls.dry_run("/jobs", request_body(request, fields)))).estimate

    async def dry_run(self, request: Request | None = None, /, **fields: Any) -> DryRun:
        """What a job would be, as ``Client.dry_run`` tells it."""
        return await self._transport.ask(calls.dry_run("/jobs", request_body(request, fields)))

    async def evaluate(
        self,
        network: str | Path | Mapping[str, Any],
        dataset: str | Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> AsyncJobHandle:
        """Have a network measured, as ``Client.evaluate`` does."""
        named = network_of(network)
        if isinstance(named, Path):
            named = {"upload": (await self._transport.ask(calls.upload(named))).id}
        request = evaluation(named, dataset)
        return await self.submit(request, idempotency_key=idempotency_key, **fields)

    async def remeasure(
        self,
        job_id: str,
        evaluate: str | Mapping[str, Any] = NEWEST,
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> AsyncJobHandle:
        """Have the network of a job attacked again with what is new, as ``Client.remeasure`` does."""
        call = calls.remeasure(job_id, remeasurement(evaluate, fields), idempotency_key or calls.new_key())
        return AsyncJobHandle(self._transport, await self._transport.ask(call))

    async def remeasure_dry_run(
        self, job_id: str, evaluate: str | Mapping[str, Any] = NEWEST, **fields: Any
    ) -> DryRun:
        """What ``remeasure`` would attack with, and its cost; nothing is stored."""
        call = calls.dry_run(calls.remeasure_path(job_id), remeasurement(evaluate, fields))
        return await self._transport.ask(call)

    async def sweep(
        self,
        base: Request,
        grid: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> AsyncSweepHandle:
        """Post one job (``base``) and what is varied of it (``grid``)."""
        body = encoded(plain({"base": base, "grid": grid, **fields}))
        call = calls.submit_sweep(body, idempotency_key or calls.new_key())
        return AsyncSweepHandle(self._transport, await self._transport.ask(call))

    async def job(self, job_id: str) -> AsyncJobHandle:
        """A job that is there."""
        return AsyncJobHandle(self._transport, await self._transport.ask(calls.job(job_id)))

    async def jobs(self, **filters: str | int | None) -> AsyncIterator[AsyncJobHandle]:
        """Jobs, newest first, as ``Client.jobs`` gives them."""
        cursor: str | None = None
        while True:
            page = await self._transport.ask(calls.jobs(filters, cursor))
            for job in page.data:
                yield AsyncJobHandle(self._transport, job)
            if page.next_cursor in (None, cursor):
                return
            cursor = page.next_cursor

    async def delete(self, job_id: str) -> None:
        """Delete a job that has ended, with its files."""
        await self._transport.ask(calls.delete(job_id))

    async def set_priority(self, job_id: str, priority: int) -> AsyncJobHandle:
        """Let a job go before your others or behind them, as ``Client.set_priority`` does."""
        return AsyncJobHandle(
            self._transport, await self._transport.ask(calls.set_priority(job_id, priority))
        )

    async def keys(self) -> tuple[Key, ...]:
        """Your API keys that count, as ``Client.keys`` gives them."""
        return (await self._transport.ask(calls.keys())).data

    async def revoke_key(self, key_id: str) -> None:
        """Let a key of yours count no more."""
        await self._transport.ask(calls.revoke_key(key_id))

    async def add_webhook(self, url: str, events: Sequence[str] | None = None) -> NewWebhook:
        """Have ``url`` called when a job of yours starts or ends, as ``Client.add_webhook`` does."""
        return await self._transport.ask(calls.add_webhook(url, events))

    async def webhooks(self) -> tuple[Webhook, ...]:
        """Your webhooks, oldest first."""
        return (await self._transport.ask(calls.webhooks())).data

    async def webhook(self, webhook_id: str) -> Webhook:
        """One webhook of yours."""
        return await self._transport.ask(calls.webhook(webhook_id))

    async def deliveries(self, webhook_id: str) -> AsyncIterator[Delivery]:
        """What was sent to a webhook, as ``Client.deliveries`` gives it."""
        cursor: str | None = None
        while True:
            page = await self._transport.ask(calls.deliveries(webhook_id, cursor))
            for delivery in page.data:
                yield delivery
            if page.next_cursor in (None, cursor):
                return
            cursor = page.next_cursor

    async def delete_webhook(self, webhook_id: str) -> None:
        """Send nothing more to a webhook, and forget what was sent."""
        await self._transport.ask(calls.delete_webhook(webhook_id))

    async def open_sweep(self, sweep_id: str) -> AsyncSweepHandle:
        """A sweep that is there."""
        return AsyncSweepHandle(self._transport, await self._transport.ask(calls.sweep(sweep_id)))
