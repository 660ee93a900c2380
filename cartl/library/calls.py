"""Every question that the client asks, as a value: what is sent, and how the answer is read."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from cartl.http.address import id_in_path
from cartl.http.answers import Answer, Shape, not_the_service, read_answer
from cartl.http.problems import NotUsable
from cartl.library.incoming import Incoming
from cartl.library.report import JobReport
from cartl.library.values import (
    DeliveryPage,
    DryRun,
    EventPage,
    Files,
    Job,
    JobPage,
    Keys,
    NewWebhook,
    Sweep,
    Upload,
    Webhook,
    Webhooks,
)

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

JSON = {"Content-Type": "application/json"}
MARKDOWN = {"Accept": "text/markdown"}
IDEMPOTENCY_KEY = "Idempotency-Key"
KEY = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One question.

    Attributes:
        read: makes the answer of the body of a success.
        content: the body that is sent.
        file: a file that is sent as the body instead.
        into: where the body of a success is written instead of being read; ``read`` is given nothing then.
        safe: it may be asked again where nobody knows whether it was answered.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    file: Path | None = None
    into: Incoming | None = None

    @property
    def safe(self) -> bool:
        """Whether asking twice does what asking once does: it changes nothing, or has a key of its own."""
        changes_nothing = self.method == "GET" or "dry_run" in self.params
        return changes_nothing or self.keyed or self.method == "PATCH" or self.path.endswith("/cancel")

    @property
    def keyed(self) -> bool:
        """Whether it has an Idempotency-Key, so that the service answers a second one as the first."""
        return IDEMPOTENCY_KEY in self.headers


def new_key() -> str:
    """An Idempotency-Key that nobody has used."""
    return uuid.uuid4().hex


def submit(body: bytes, idempotency_key: str) -> Call[Job]:
    """Post a job."""
    return _post("/jobs", Job, body, {IDEMPOTENCY_KEY: _header(idempotency_key)})


def dry_run(path: str, body: bytes) -> Call[DryRun]:
    """What a job (``/jobs``) or a sweep (``/sweeps``) would cost; nothing is stored."""
    return Call("POST", path, partial(_read, DryRun, path), {"dry_run": "true"}, dict(JSON), body)


def remeasure(job_id: str, body: bytes, idempotency_key: str) -> Call[Job]:
    """Post a job that attacks the network of another one again."""
    return _post(remeasure_path(job_id), Job, body, {IDEMPOTENCY_KEY: _header(idempotency_key)})


def remeasure_path(job_id: str) -> str:
    """Where the network of a job is measured again."""
    return f"{_job(job_id)}/remeasure"


def upload(file: Path) -> Call[Upload]:
    """Send a network's file."""
    headers = {"Content-Type": "application/octet-stream"}
    return Call("POST", "/uploads", partial(_read, Upload, "/uploads"), {}, headers, file=file)


def job(job_id: str) -> Call[Job]:
    """Where one job is."""
    return _get(_job(job_id), Job)


def jobs(filters: Mapping[str, str | int | None], cursor: str | None) -> Call[JobPage]:
    """A page of jobs."""
    given = {name: value for name, value in {**filters, "cursor": cursor}.items() if value is not None}
    return _get("/jobs", JobPage, given)


def cancel(job_id: str) -> Call[Job]:
    """Ask for the end of a job."""
    return _post(f"{_job(job_id)}/cancel", Job)


def retry(job_id: str) -> Call[Job]:
    """Queue a failed or cancelled job again."""
    return _post(f"{_job(job_id)}/retry", Job)


def set_priority(job_id: str, priority: int) -> Call[Job]:
    """Let a job go before or after others of its owner."""
    path = _job(job_id)
    body = json.dumps({"priority": priority}).encode()
    return Call("PATCH", path, partial(_read, Job, path), {}, dict(JSON), body)


def delete(job_id: str) -> Call[None]:
    """Delete a job that has ended."""
    return Call("DELETE", _job(job_id), _nothing)


def keys() -> Call[Keys]:
    """The API keys that the caller may see."""
    return _get("/keys", Keys)


def revoke_key(key_id: str) -> Call[None]:
    """Let a key count no more."""
    return Call("DELETE", f"/keys/{id_in_path(key_id)}", _nothing)


def add_webhook(url: str, told_of: Sequence[str] | None) -> Call[NewWebhook]:
    """Register an address that is called."""
    body = {"url": url} if told_of is None else {"url": url, "events": list(told_of)}
    return _post("/webhooks", NewWebhook, json.dumps(body).encode())


def webhooks() -> Call[Webhooks]:
    """The webhooks of the caller."""
    return _get("/webhooks", Webhooks)


def webhook(webhook_id: str) -> Call[Webhook]:
    """One webhook."""
    return _get(f"/webhooks/{id_in_path(webhook_id)}", Webhook)


def deliveries(webhook_id: str, cursor: str | None) -> Call[DeliveryPage]:
    """A page of what was sent to a webhook."""
    given = {} if cursor is None else {"cursor": cursor}
    return _get(f"/webhooks/{id_in_path(webhook_id)}/deliveries", DeliveryPage, given)


def delete_webhook(webhook_id: str) -> Call[None]:
    """Send nothing more to it."""
    return Call("DELETE", f"/webhooks/{id_in_path(webhook_id)}", _nothing)


def events(job_id: str, after: int) -> Call[EventPage]:
    """Events after number ``after``."""
    return _get(f"{_job(job_id)}/events", EventPage, {"after": after})


def report(job_id: str) -> Call[JobReport]:
    """The robustness report."""
    path = f"{_job(job_id)}/robustness"
    return Call("GET", path, partial(_read_report, job_id, path))


def report_json(job_id: str) -> Call[Answer]:
    """The robustness report as the service wrote it."""
    path = f"{_job(job_id)}/robustness"
    return Call("GET", path, lambda body: read_answer(body, path, Shape))


def report_markdown(job_id: str) -> Call[str]:
    """The robustness report as text."""
    return Call("GET", f"{_job(job_id)}/robustness", _text, headers=MARKDOWN)


def files(job_id: str) -> Call[Files]:
    """The files of a job."""
    return _get(f"{_job(job_id)}/artifacts", Files)


def file(job_id: str, into: Incoming) -> Call[Path]:
    """One file, written as it comes."""
    path = f"{_job(job_id)}/artifacts/{into.name}"
    # As it is stored: what a proxy packed would have another size.
    headers = {"Accept-Encoding": "identity"}
    return Call("GET", path, lambda body: into.finish(), headers=headers, into=into)


def submit_sweep(body: bytes, idempotency_key: str) -> Call[Sweep]:
    """Post a sweep."""
    return _post("/sweeps", Sweep, body, {IDEMPOTENCY_KEY: _header(idempotency_key)})


def sweep(sweep_id: str) -> Call[Sweep]:
    """Where the jobs of a sweep are."""
    return _get(f"/sweeps/{id_in_path(sweep_id)}", Sweep)


def cancel_sweep(sweep_id: str) -> Call[Sweep]:
    """Ask for the end of all jobs of a sweep."""
    return _post(f"/sweeps/{id_in_path(sweep_id)}/cancel", Sweep)


def _header(key: str) -> str:
    if not KEY.fullmatch(key):
        raise NotUsable("an idempotency key has 1 to 255 printable ASCII characters, none of them a blank")
    return key


def _job(job_id: str) -> str:
    return f"/jobs/{id_in_path(job_id)}"


def _get(path: str, model: type[M], params: Mapping[str, str | int] | None = None) -> Call[M]:
    return Call("GET", path, partial(_read, model, path), params or {})


def _post(
    path: str, model: type[M], body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Call[M]:
    return Call("POST", path, partial(_read, model, path), {}, {**JSON, **(headers or {})}, body)


def _read(model: type[M], path: str, body: bytes) -> M:
    return _validated(model, dict(read_answer(body, path, Shape)), path)


def _read_report(job_id: str, path: str, body: bytes) -> JobReport:
    """Fields that this version does not know are left out."""
    told = {**read_answer(body, path, Shape), "job_id": job_id}
    return _validated(
        JobReport, told, f"{path} (of another version? report_json() gives it as it is)", "ignore"
    )


def _validated(model: type[M], told: dict[str, Any], what: str, extra: Any = None) -> M:
    try:
        return model.model_validate(told, extra=extra)
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_url=False, include_input=False)[0]["loc"]))
        raise not_the_service(f"{what} answered something unexpected in {place}") from error


def _nothing(body: bytes) -> None:
    """The answer says nothing but that it was done."""


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")
