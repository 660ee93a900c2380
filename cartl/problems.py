"""What the service says when it refuses (RFC 9457), as exceptions that a person can read.

ClientError
|-- ServiceUnreachable      nobody answered
|-- JobUnfinished           the job did not end in the time that was given
`-- ServiceError            it answered with a problem
"""

from __future__ import annotations

from typing import Any

import httpx


class ClientError(Exception):
    """The service could not do what was asked."""


class ServiceUnreachable(ClientError):
    """No service answers at this address."""

    def __init__(self, base_url: str, why: str) -> None:
        self.base_url = base_url
        super().__init__(f"no service answers at {base_url} ({why}); start one with `cartl up`")


class JobUnfinished(ClientError):
    """The job is still at work."""


class ServiceError(ClientError):
    """The service refused. ``problem`` is its problem+json document, ``status`` the HTTP code."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        super().__init__("\n".join(_sentences(status, problem)))


def _sentences(status: int, problem: dict[str, Any]) -> list[str]:
    """What is wrong: the title, then a line for each field, or the detail when no field is named."""
    title, detail = problem.get("title") or "The service refused", problem.get("detail")
    faults = [fault for fault in problem.get("errors") or () if isinstance(fault, dict)]
    if faults:
        return [f"{title} ({status}):", *map(_fault, faults)]
    return [f"{title} ({status})" + (f": {detail}" if detail and detail != title else "")]


def _fault(fault: dict[str, Any]) -> str:
    allowed = fault.get("allowed")
    return f"  {fault.get('field')}: {fault.get('message')}" + (f" (allowed: {allowed})" if allowed else "")


def raise_for_problem(response: httpx.Response) -> None:
    """Do nothing for a success; otherwise raise ``ServiceError`` with what the body says."""
    if response.is_success:
        return
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": response.reason_phrase, "detail": response.text[:500].strip()}
    raise ServiceError(response.status_code, problem)
