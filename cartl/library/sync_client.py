"""The client of scripts and notebooks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from cartl.library.job_handle import JobHandle
from cartl.library.retrying import Retries
from cartl.library.sweep_handle import SweepHandle
from cartl.library.transports import Transport
from cartl.library.values import Delivery, DryRun, Estimate, Key, NewWebhook, Webhook


class Client:
    """A connection to one service. Also a context manager that closes it.

    >>> with Client("http://127.0.0.1:8000") as client:                  # doctest: +SKIP
    ...     job = client.submit(dataset="digits", freeze_depth=3)
    ...     print(job.wait().report().headline)

    Every error is a ``ClientError``, of disks ``OSError``.

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
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = Transport(connection(url, key), retries or Retries(), transport, clock, sleep)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()

    def submit(
        self, request: Request | None = None, /, *, idempotency_key: str | None = None, **fields: Any
    ) -> JobHandle:
        """Post a job. It is made once, however often the connection breaks.

        Args:
            request: a mapping, or a ``cartl_core.JobRequest``.
            idempotency_key: a text of your own that stands for this job; a fresh one each time by default.
            fields: of the request, e.g. ``dataset="digits", freeze_depth=3``; they win over ``request``.
        """
        call = calls.submit(request_body(request, fields), idempotency_key or calls.new_key())
        return JobHandle(self._transport, self._transport.ask(call))

    def estimate(self, request: Request | None = None, /, **fields: Any) -> Estimate:
        """What a job would cost; nothing is stored."""
        return self._transport.ask(calls.dry_run("/jobs", request_body(request, fields))).estimate

    def dry_run(self, request: Request | None = None, /, **fields: Any) -> DryRun:
        """What a job would be: its whole specification, cost and data; nothing is stored."""
        return self._transport.ask(calls.dry_run("/jobs", request_body(request, fields)))

    def evaluate(
        self,
        network: str | Path | Mapping[str, Any],
        dataset: str | Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> JobHandle:
        """Have a network measured; nothing is trained.

        Args:
            network: a file, which is uploaded; the id of a job, whose student is measured; or a reference
                as in ``POST /jobs``.
            dataset: what it is measured on; of several give ``datasets=[...]`` in its place.
            fields: more of the request.
        """
        named = network_of(network)
        if isinstance(named, Path):
            named = {"upload": self._transport.ask(calls.upload(named)).id}
        request = evaluation(named, dataset)
        return self.submit(request, idempotency_key=idempotency_key, **fields)

    def remeasure(
        self,
        job_id: str,
        evaluate: str | Mapping[str, Any] = NEWEST,
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> JobHandle:
        """Have the network of a job of yours attacked again, on the same images, with what is new.

        Attacks that were made on these images already are left out, and not paid for again. Once the new job
        has succeeded, ``report().measurements`` of either has a row for each measurement.

        Args:
            job_id: of a job that has succeeded.
            evaluate: an evaluation by name, e.g. ``"autoattack"``, or the `evaluate` of a request.
            fields: ``name``, ``tags``, ``priority`` and ``preset`` of the new job.
        """
        call = calls.remeasure(job_id, remeasurement(evaluate, fields), idempotency_key or calls.new_key())
        return JobHandle(self._transport, self._transport.ask(call))

    def remeasure_dry_run(
        self, job_id: str, evaluate: str | Mapping[str, Any] = NEWEST, **fields: Any
    ) -> DryRun:
        """What ``remeasure`` would attack with, and its cost; nothing is stored."""
        call = calls.dry_run(calls.remeasure_path(job_id), remeasurement(evaluate, fields))
        return self._transport.ask(call)

    def sweep(
        self,
        base: Request,
        grid: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> SweepHandle:
        """Post one job (``base``) and what is varied of it (``grid``)."""
        body = encoded(plain({"base": base, "grid": grid, **fields}))
        call = calls.submit_sweep(body, idempotency_key or calls.new_key())
        return SweepHandle(self._transport, self._transport.ask(call))

    def job(self, job_id: str) -> JobHandle:
        """A job that is there."""
        return JobHandle(self._transport, self._transport.ask(calls.job(job_id)))

    def jobs(self, **filters: str | int | None) -> Iterator[JobHandle]:
        """Jobs, newest first, page by page; filters as in ``GET /jobs`` (state, dataset, method, tag)."""
        cursor: str | None = None
        while True:
            page = self._transport.ask(calls.jobs(filters, cursor))
            yield from (JobHandle(self._transport, job) for job in page.data)
            if page.next_cursor in (None, cursor):
                return
            cursor = page.next_cursor

    def delete(self, job_id: str) -> None:
        """Delete a job that has ended, with its files."""
        self._transport.ask(calls.delete(job_id))

    def set_priority(self, job_id: str, priority: int) -> JobHandle:
        """Let a job go before your others (up to 10) or behind them (down to -10); 0 is the usual."""
        return JobHandle(self._transport, self._transport.ask(calls.set_priority(job_id, priority)))

    def keys(self) -> tuple[Key, ...]:
        """Your API keys that count, oldest first; with an operator's key those of all owners."""
        return self._transport.ask(calls.keys()).data

    def revoke_key(self, key_id: str) -> None:
        """Let a key of yours count no more, be it the one of this client."""
        self._transport.ask(calls.revoke_key(key_id))

    def add_webhook(self, url: str, events: Sequence[str] | None = None) -> NewWebhook:
        """Have ``url`` called when a job of yours starts or ends. ``secret`` is in this answer alone.

        Args:
            url: begins with ``https://``.
            events: of ``job.started``, ``job.succeeded``, ``job.failed`` and ``job.cancelled``; None: all.
        """
        return self._transport.ask(calls.add_webhook(url, events))

    def webhooks(self) -> tuple[Webhook, ...]:
        """Your webhooks, oldest first."""
        return self._transport.ask(calls.webhooks()).data

    def webhook(self, webhook_id: str) -> Webhook:
        """One webhook of yours."""
        return self._transport.ask(calls.webhook(webhook_id))

    def deliveries(self, webhook_id: str) -> Iterator[Delivery]:
        """What was sent to a webhook and what came of it, newest first, page by page."""
        cursor: str | None = None
        while True:
            page = self._transport.ask(calls.deliveries(webhook_id, cursor))
            yield from page.data
            if page.next_cursor in (None, cursor):
                return
            cursor = page.next_cursor

    def delete_webhook(self, webhook_id: str) -> None:
        """Send nothing more to a webhook, and forget what was sent."""
        self._transport.ask(calls.delete_webhook(webhook_id))

    def open_sweep(self, sweep_id: str) -> SweepHandle:
        """A sweep that is there."""
        return SweepHandle(self._transport, self._transport.ask(calls.sweep(sweep_id)))
