"""Every error the API gives back, as RFC 9457 ``application/problem+json``.

``KINDS`` is the whole list: a stable ``type``, its status and its title. A route raises ``Problem``;
errors of the lower layers are translated by ``error_handlers``. HTTP codes appear nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.http.patterns import PATTERNS
from cartl_core.errors import SpecError
from cartl_core.spec.faults import faults_of

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One fault of a request: where it is, what is wrong, what may stand there."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(description="Dotted path in the body, or the parameter's name.")
    message: str
    allowed: str | None = Field(default=None, description="What may stand there, in words.")


class ProblemBody(BaseModel):
    """The body of every error (RFC 9457)."""

    model_config = ConfigDict(frozen=True, title="Problem")

    type: str = Field(description="Stable name of the kind of problem, a path that describes it.")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What went wrong this time, for people.")
    instance: str = Field(description="The path that was asked for.")
    errors: list[FieldError] = Field(default_factory=list)


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its stable name, its HTTP status, its title, seconds to wait before another try."""

    name: str
    status: int
    title: str
    retry_after: int | None = None


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("malformed-json", 400, "The body is not valid JSON"),
        Kind("duplicate-key", 400, "A key occurs twice in one JSON object"),
        Kind("number-out-of-range", 400, "A number is not finite or too long"),
        Kind("too-deep", 400, "The JSON is nested too deeply"),
        Kind("too-many-values", 400, "The JSON holds more than a request can need"),
        Kind("invalid-text", 400, "The body is not valid UTF-8 text"),
        Kind("bad-request", 400, "The request cannot be understood"),
        Kind("no-key", 401, "An API key is needed"),
        Kind("not-allowed", 403, "This key may not do that"),
        Kind("access-ended", 403, "This may be seen no more"),
        Kind("switched-off", 403, "This part of the service is switched off"),
        Kind("foreign-origin", 403, "Without keys the service answers to this machine only"),
        Kind("not-found", 404, "There is nothing here"),
        Kind("method-not-allowed", 405, "This path does not know that method"),
        Kind("not-acceptable", 406, "None of the accepted media types is available"),
        Kind("too-slow", 408, "The request did not come in time"),
        Kind("wrong-state", 409, "The state does not allow that"),
        Kind("name-taken", 409, "The name is taken"),
        Kind("in-use", 409, "Something that names it has not ended"),
        Kind("dataset-not-ready", 409, "The data set cannot be used in its state"),
        Kind("teacher-not-ready", 409, "The teacher cannot be used in its state"),
        Kind("in-flight", 409, "A request with this Idempotency-Key is still being answered", 1),
        Kind("body-too-large", 413, "The body is too large"),
        Kind("wrong-content-type", 415, "The body has the wrong content type"),
        Kind("range-not-satisfiable", 416, "The file has no such range"),
        Kind("invalid", 422, "The request is not valid"),
        Kind("idempotency-mismatch", 422, "This Idempotency-Key was used with another body"),
        Kind("too-many-requests", 429, "Too many requests"),
        Kind("too-many-connections", 429, "Too many connections from one address", 1),
        Kind("too-many-jobs", 429, "Too many unfinished jobs", 60),
        Kind("quota-exceeded", 429, "A quota of the owner is used up", 3600),
        Kind("too-many-uploads", 429, "Too many uploads"),
        Kind("too-many-webhooks", 429, "Too many webhooks"),
        Kind("head-too-large", 431, "The head of the request is too large"),
        Kind("internal", 500, "The service made a mistake"),
        Kind("damaged", 500, "The file is not as it was written"),
        Kind("not-implemented", 501, "This part of HTTP is not supported"),
        Kind("version-not-supported", 505, "This version of HTTP is not supported"),
        Kind("overloaded", 503, "All connections are in use", 1),
        Kind("unavailable", 503, "The database cannot be reached", 5),
        Kind("not-ready", 503, "The service is not ready"),
        Kind("storage-full", 507, "The disk is full", 60),
        Kind("no-space", 507, "There is no room for this content", 60),
    )
}


class Problem(Exception):
    """The request is refused. The kind says which status and title it gets."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = KINDS[kind]
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        super().__init__(detail)


def respond(request: Request, problem: Problem) -> Response:
    """The response that tells ``problem``."""
    return Response(
        encode(problem, instance=request.url.path),
        status_code=problem.kind.status,
        headers=headers_of(problem),
    )


def encode(problem: Problem, *, instance: str) -> bytes:
    """``problem`` as JSON; ``instance`` is the path that was asked for."""
    body = ProblemBody(
        type=f"/problems/{problem.kind.name}",
        title=problem.kind.title,
        status=problem.kind.status,
        detail=problem.detail,
        instance=instance,
        errors=list(problem.errors),
    )
    return body.model_dump_json().encode()


def headers_of(problem: Problem) -> dict[str, str]:
    """The headers that go with the body of ``problem``."""
    wait = problem.kind.retry_after
    again = {} if wait is None else {"Retry-After": str(wait)}
    return {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", **again, **problem.headers}


def invalid(errors: tuple[FieldError, ...]) -> Problem:
    """A 422 that names each faulty field."""
    count = "1 field is" if len(errors) == 1 else f"{len(errors)} fields are"
    first = errors[0]
    hint = f" (allowed: {first.allowed})" if first.allowed else ""
    return Problem("invalid", f"{count} not valid: {first.field}: {first.message}{hint}", errors=errors)


def invalid_fields(model: type[BaseModel], error: ValidationError, written: object) -> Problem:
    """A 422 that names the faults of ``written``, which is no ``model``."""
    return invalid(
        tuple(
            FieldError(field=fault.field, message=fault.message, allowed=fault.allowed)
            for fault in faults_of(model, error, written, PATTERNS)
        )
    )


def of_spec_error(error: SpecError) -> Problem:
    """What ``resolve`` refused, with the field and what it may be."""
    return invalid((FieldError(field=error.field, message=error.message, allowed=error.allowed),))


def unavailable() -> Problem:
    """The database is away; the client may try again."""
    return Problem("unavailable", "The database did not answer; nothing was changed. Try again in a moment.")


def store_unavailable() -> Problem:
    """The object store is away, or refuses; the client may try again."""
    return Problem(
        "unavailable", "The object store did not answer; nothing was changed. Try again in a moment."
    )


def storage_full() -> Problem:
    """A disk of ours is full; somebody must make room."""
    return Problem(
        "storage-full", "A disk of the service is full; nothing was changed. Its operator must know."
    )
