"""The client of the commands: jobs in, progress and robustness reports out.

    client = Client("http://127.0.0.1:8000")
    job = client.submit({"dataset": "fashion_mnist", "freeze_depth": 2})
    client.wait(job["id"])
    report = client.robustness(job["id"])

Answers are the service's JSON objects, and nothing is asked twice; ``cartl.library`` has the client of
notebooks and scripts, with typed answers and retries. Errors are ``ServiceError`` (it refused) and
``ServiceUnreachable`` (nobody answered).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from pydantic import BaseModel

from cartl.http import answers, catalog_answers
from cartl.http.address import id_in_path
from cartl.http.answers import Answer, Shape, not_the_service, read_answer, shaped
from cartl.http.connection import connection, exchange_errors, proxy_errors
from cartl.http.event_stream import Tick as Tick
from cartl.http.event_stream import stream_events
from cartl.http.patience import Patience
from cartl.http.problems import ClientError, JobUnfinished, ServiceUnreachable, raise_for_problem
from cartl.http.response_body import whole_body
from cartl.keys import Keys
from cartl.resources import Resources
from cartl.webhooks import Webhooks

Json = dict[str, Any]

DEFAULT_URL = "http://127.0.0.1:8000"
TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
RECONNECT_SECONDS = 0.2
"""Before a stream that ended well is opened again."""


def _no_tick() -> None:
    """Nothing to look after while waiting."""


class Client:
    """A connection to one service. Also a context manager that closes it."""

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        key: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        reached = connection(base_url, key)
        self.base_url = reached.base_url
        with proxy_errors():
            self._http = httpx.Client(transport=transport, **reached.options)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def submit(
        self,
        request: Mapping[str, Any] | BaseModel,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Json:
        """Post a job (``dry_run``: only resolve and estimate it); returns the job as stored."""
        body = (
            request.model_dump(mode="json", exclude_unset=True) if isinstance(request, BaseModel) else request
        )
        return self._json(
            "POST",
            "/jobs",
            shape=answers.Job,
            json=body,
            params={"dry_run": "true"} if dry_run else None,
            headers={"Idempotency-Key": idempotency_key} if idempotency_key else None,
        )

    def remeasure(self, job_id: str, request: Mapping[str, Any], *, dry_run: bool = False) -> Json:
        """Have a job's network measured again, with what is new; returns the job that does it."""
        return self._json(
            "POST",
            f"/jobs/{id_in_path(job_id)}/remeasure",
            shape=answers.Job,
            json=request,
            params={"dry_run": "true"} if dry_run else None,
        )

    def upload(self, network: Path) -> Json:
        """Send a network's file, to be measured by a job of kind evaluate."""
        headers = {"Content-Type": "application/octet-stream"}
        with network.open("rb") as file:
            return self._json("POST", "/uploads", content=file, headers=headers)

    @property
    def datasets(self) -> Resources:
        """Data sets: the catalog's, yours, and those that are shared with you."""
        return Resources(self._send, "datasets", answers.Dataset)

    @property
    def teachers(self) -> Resources:
        """Teachers: those that your jobs have trained, yours, and those that are shared with you."""
        return Resources(self._send, "teachers", answers.Teacher)

    @property
    def webhooks(self) -> Webhooks:
        """Your webhooks."""
        return Webhooks(self._send)

    @property
    def keys(self) -> Keys:
        """Keys, and the log of what was changed with them."""
        return Keys(self._send)

    def job(self, job_id: str) -> Json:
        """State, progress and resolved spec of one job."""
        return self._json("GET", f"/jobs/{id_in_path(job_id)}", shape=answers.Job)

    def jobs(self, **filters: str | int | None) -> Iterator[Json]:
        """Jobs, newest first, page by page; filters as in ``GET /jobs`` (state, dataset, method, tag)."""
        return self.pages("/jobs", answers.Job, **filters)

    def pages(self, path: str, shape: type[Shape], **filters: str | int | None) -> Iterator[Answer]:
        """The rows of a list that comes in pages."""
        params = {name: value for name, value in filters.items() if value is not None}
        while True:
            page = self._json("GET", path, shape=answers.Page, params=params)
            yield from (shaped(one, path, shape) for one in page["data"])
            if page.get("next_cursor") in (None, "", params.get("cursor")):
                return
            params["cursor"] = page["next_cursor"]

    def cancel(self, job_id: str) -> Json:
        """Ask for the end of a job; a running one ends soon after."""
        return self._json("POST", f"/jobs/{id_in_path(job_id)}/cancel", shape=answers.Job)

    def retry(self, job_id: str) -> Json:
        """Queue a failed or cancelled job again; it goes on from its checkpoints."""
        return self._json("POST", f"/jobs/{id_in_path(job_id)}/retry", shape=answers.Job)

    def set_priority(self, job_id: str, priority: int) -> Json:
        """Let a job that waits go before the others of its owner, or behind them."""
        body = {"priority": priority}
        return self._json("PATCH", f"/jobs/{id_in_path(job_id)}", shape=answers.Job, json=body)

    def delete(self, job_id: str) -> None:
        """Delete a job that has ended, with its files."""
        self._send("DELETE", f"/jobs/{id_in_path(job_id)}")

    def robustness(self, job_id: str) -> Json:
        """The robustness report; ``complete`` is false while the job is at work."""
        return self._json("GET", f"/jobs/{id_in_path(job_id)}/robustness")

    def robustness_markdown(self, job_id: str) -> str:
        """The robustness report, as Markdown."""
        accept = {"Accept": "text/markdown"}
        return self._text(f"/jobs/{id_in_path(job_id)}/robustness", headers=accept)

    def artifacts(self, job_id: str) -> list[Json]:
        """The files of a job by name, size and SHA-256; none before they are written."""
        path = f"/jobs/{id_in_path(job_id)}/artifacts"
        found = self._json("GET", path, shape=answers.Page)["data"]
        return [shaped(one, path, answers.Artifact) for one in found]

    @contextmanager
    def artifact(self, job_id: str, name: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """The answer to a GET of one file, its body still to come; ``headers`` may ask for a range."""
        place = f"/jobs/{id_in_path(job_id)}/artifacts/{name}"
        with (
            exchange_errors(self.base_url, place),
            self._http.stream("GET", place, headers=headers) as response,
        ):
            if not response.is_success:
                raise_for_problem(response, whole_body(response))
            yield response

    def log(self, job_id: str, *, lines: int) -> str:
        """The last lines of the run's own log, oldest first; empty before it starts."""
        return self._text(f"/jobs/{id_in_path(job_id)}/logs", params={"tail": lines})

    def methods(self) -> list[Answer]:
        """Methods of transfer."""
        found = self._json("GET", "/attacks", shape=catalog_answers.Catalog)["methods"]
        return [shaped(one, "/attacks", catalog_answers.Method) for one in found]

    def submit_sweep(
        self, request: Mapping[str, Any], *, dry_run: bool = False, idempotency_key: str | None = None
    ) -> Json:
        """Post a sweep (``dry_run``: only count and estimate its jobs); returns the sweep as stored."""
        return self._json(
            "POST",
            "/sweeps",
            shape=answers.Sweep,
            json=request,
            params={"dry_run": "true"} if dry_run else None,
            headers={"Idempotency-Key": idempotency_key} if idempotency_key else None,
        )

    def sweep(self, sweep_id: str) -> Json:
        """States of a sweep's jobs, and its table as far as it is known."""
        return self._json("GET", f"/sweeps/{id_in_path(sweep_id)}", shape=answers.Sweep)

    def sweep_markdown(self, sweep_id: str) -> str:
        """The table of a sweep, as Markdown."""
        return self._text(f"/sweeps/{id_in_path(sweep_id)}", headers={"Accept": "text/markdown"})

    def ready(self) -> Json:
        """What ``/readyz`` says; raises ``ServiceError`` while the service is not ready."""
        return self._json("GET", "/readyz")

    def wait(self, job_id: str, *, timeout: float | None = None, every: float = 1.0) -> Json:
        """The job once it is in a terminal state; raises ``JobUnfinished`` after ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (job := self.job(job_id))["state"] not in TERMINAL:
            if deadline is not None and time.monotonic() + every > deadline:
                raise JobUnfinished(f"job {job_id} is {job['state']} after {timeout:.0f} seconds")
            time.sleep(every)
        return job

    def past_events(self, job_id: str, *, after: int = 0) -> Iterator[Json]:
        """The events of a job that are stored by now, from number ``after`` + 1 on, in order."""
        path = f"/jobs/{id_in_path(job_id)}/events"
        while page := self._json("GET", path, shape=answers.Page, params={"after": after})["data"]:
            for event in (shaped(one, path, answers.Event) for one in page):
                if event["number"] <= after:
                    raise not_the_service(f"{path} answered events that were not asked for")
                after = event["number"]
                yield event

    def events(self, job_id: str, *, after: int = 0, tick: Tick = _no_tick) -> Iterator[Json]:
        """Every event of a job in order, as they come, until it is in a terminal state.

        A stream that breaks is opened again with Last-Event-ID, so no event is lost or doubled.
        ``tick`` is called at every sign of life and at every pause; what it raises ends the stream.

        Raises:
            ClientError: the service was never reached, was away for longer than ``patience.AWAY_SECONDS``,
                or refused.
        """
        number, finished, patience = after, False, Patience()
        while True:
            tick()
            pause = RECONNECT_SECONDS
            try:
                finished = self.job(job_id)["state"] in TERMINAL
                patience.reached()
                for event in stream_events(self._http, job_id, number, tick):
                    number = event["number"]
                    patience.reached()
                    yield event
                if finished:
                    return
            except httpx.ReadTimeout:
                if finished:
                    return
            except httpx.TransportError as error:
                pause = patience.pause(ServiceUnreachable(self.base_url, str(error)))
            except ClientError as error:
                pause = patience.pause(error)
            time.sleep(pause)

    def _json(self, method: str, path: str, *, shape: type[Shape] = Shape, **options: Any) -> Answer:
        return read_answer(self._send(method, path, **options), path, shape)

    def _text(self, path: str, **options: Any) -> str:
        return self._send("GET", path, **options).decode("utf-8", errors="replace")

    def _send(self, method: str, path: str, **options: Any) -> bytes:
        """The body of a success.

        Raises:
            ClientError: nobody answered, or not as a service does that does what was asked.
        """
        with (
            exchange_errors(self.base_url, path),
            self._http.stream(method, path, **options) as response,
        ):
            body = whole_body(response)
        raise_for_problem(response, body)
        return body
