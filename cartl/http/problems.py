"""What the service says when it refuses (RFC 9457), as exceptions that a person can read.

ClientError
|-- ServiceUnreachable      nobody answered
|-- NotUsable               an address, a key, a name or a file that was given cannot be used
|-- JobUnfinished           the job did not end in the time that was given
|-- NotInstalled            a package that is needed for this alone is missing
|-- FileDamaged             a file that was downloaded is not the one that the service keeps
`-- ServiceError            it answered with a problem
    `-- NotTheService       what answers is not this service, or another version of it
"""

from __future__ import annotations

from typing import Any

import httpx

from cartl_core.strict_json import ANSWER, JsonRefused, loads

SHOWN = 500
"""Characters of what is no problem document."""


class ClientError(Exception):
    """The service could not do what was asked."""


class ServiceUnreachable(ClientError):
    """No service answers at this address."""

    def __init__(self, base_url: str, why: str) -> None:
        self.base_url = base_url
        super().__init__(f"no service answers at {base_url} ({why}); start one with `cartl up`")


class NotUsable(ClientError):
    """Something that was given cannot be used; nobody was asked."""


class JobUnfinished(ClientError):
    """The job is still at work."""


class NotInstalled(ClientError):
    """A package that is needed for this alone is missing; the message says which to install."""


class FileDamaged(ClientError):
    """A file that was downloaded is not the one that the service keeps."""


class ServiceError(ClientError):
    """The service refused. ``problem`` is its problem+json document, ``status`` the HTTP code."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        super().__init__("\n".join(_sentences(status, problem)))


class NotTheService(ServiceError):
    """Something answers there, but not as this service does."""

    def __init__(self, detail: str) -> None:
        super().__init__(502, {"title": "Not the service", "detail": detail})


def _sentences(status: int, problem: dict[str, Any]) -> list[str]:
    """What is wrong: the title, then a line for each field, or the detail when no field is named."""
    title, detail = problem.get("title") or "The service refused", problem.get("detail")
    errors = problem.get("errors")
    faults = [fault for fault in errors if isinstance(fault, dict)] if isinstance(errors, list) else []
    if faults:
        return [f"{title} ({status}):", *map(_fault, faults)]
    return [f"{title} ({status})" + (f": {detail}" if detail and detail != title else "")]


def _fault(fault: dict[str, Any]) -> str:
    allowed = fault.get("allowed")
    return f"  {fault.get('field')}: {fault.get('message')}" + (f" (allowed: {allowed})" if allowed else "")


def raise_for_problem(response: httpx.Response, body: bytes) -> None:
    """Do nothing for a success; otherwise raise ``ServiceError`` with what the body says."""
    if response.is_success:
        return
    if response.has_redirect_location:
        detail = f"it sends us on to {response.headers['location'][:SHOWN]}; give that address with --url"
        raise ServiceError(response.status_code, {"title": response.reason_phrase, "detail": detail})
    try:
        problem = loads(body, ANSWER)
    except JsonRefused:
        problem = None
    if not isinstance(problem, dict):
        text = body[: 4 * SHOWN].decode("utf-8", errors="replace").strip()
        problem = {"title": response.reason_phrase, "detail": text[:SHOWN]}
    raise ServiceError(response.status_code, problem)
