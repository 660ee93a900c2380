"""Every error the API gives back, as RFC 9457 ``application/problem+json``.

``KINDS`` is the whole list: a stable ``type``, its status and its title. A route raises ``Problem``;
errors of the lower layers are translated by the table in ``install``. HTTP codes appear nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.http.patterns import PATTERNS
from cartl_core.errors import SpecError
from cartl_core.spec.faults import MAX_REPORTED, faults_of, in_words

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("cartl.api")


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
        Kind("foreign-origin", 403, "Without keys the service answers to this machine only"),
        Kind("not-found", 404, "There is nothing here"),
        Kind("method-not-allowed", 405, "This path does not know that method"),
        Kind("not-acceptable", 406, "None of the accepted media types is available"),
        Kind("wrong-state", 409, "The job's state does not allow that"),
        Kind("in-flight", 409, "A request with this Idempotency-Key is still being answered", 1),
        Kind("body-too-large", 413, "The body is too large"),
        Kind("wrong-content-type", 415, "The body has the wrong content type"),
        Kind("range-not-satisfiable", 416, "The file has no such range"),
        Kind("invalid", 422, "The request is not valid"),
        Kind("idempotency-mismatch", 422, "This Idempotency-Key was used with another body"),
        Kind("too-many-requests", 429, "Too many requests"),
        Kind("too-many-jobs", 429, "Too many unfinished jobs", 60),
        Kind("too-many-uploads", 429, "Too many uploads"),
        Kind("internal", 500, "The service made a mistake"),
        Kind("unavailable", 503, "The database cannot be reached", 5),
        Kind("not-ready", 503, "The service is not ready"),
    )
}

# What the framework raises by itself, by status.
_KIND_OF_STATUS = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
}
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
# PostgreSQL's codes for a table and a column that are missing: the migrations have yet to run.
_BEHIND = {"42P01", "42703"}


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
    body = ProblemBody(
        type=f"/problems/{problem.kind.name}",
        title=problem.kind.title,
        status=problem.kind.status,
        detail=problem.detail,
        instance=request.url.path,
        errors=list(problem.errors),
    )
    return JSONResponse(
        body.model_dump(mode="json"),
        status_code=problem.kind.status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **_wait(problem.kind), **problem.headers},
    )


def _wait(kind: Kind) -> dict[str, str]:
    return {} if kind.retry_after is None else {"Retry-After": str(kind.retry_after)}


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


def _of_framework(request: Request, error: HTTPException) -> Problem:
    name = _KIND_OF_STATUS.get(error.status_code, "bad-request" if error.status_code < 500 else "internal")
    status = HTTPStatus(KINDS[name].status)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    return Problem(name, f"{status.phrase}: {status.description or KINDS[name].title}", headers=headers)


def _methods(request: Request) -> list[str]:
    """The methods of a path, over all its routes; the framework would name those of the first alone."""
    return [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


def _of_parameters(error: RequestValidationError) -> Problem:
    """Path, query and header parameters, as the framework checked them."""
    return invalid(
        tuple(
            FieldError(field=_parameter(fault["loc"]), message=in_words(fault), allowed=_allowed(fault))
            for fault in error.errors()[:MAX_REPORTED]
        )
    )


def _parameter(location: tuple[str | int, ...]) -> str:
    """A parameter's name: after where it was, and before the place in its list."""
    return str(location[1] if len(location) > 1 else location[0])


def _allowed(fault: Mapping[str, Any]) -> str | None:
    """The bound that was missed, from the validator's context."""
    words = {
        "ge": "at least {}",
        "gt": "more than {}",
        "le": "at most {}",
        "lt": "less than {}",
        "expected": "{}",
        "max_length": "at most {} characters",
        "min_length": "at least {} characters",
    }
    context = fault.get("ctx", {})
    if "pattern" in context:
        return PATTERNS[context["pattern"]]
    return ", ".join(words[name].format(value) for name, value in context.items() if name in words) or None


def install(app: FastAPI, table: Mapping[type[Exception], str]) -> None:
    """Let ``app`` answer every error as a problem.

    Args:
        app: the application.
        table: errors of the lower layers -> name of the kind; their text becomes the detail.
    """

    def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return respond(request, _of_framework(request, error))

    def parameters(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return respond(request, _of_parameters(error))

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return respond(request, error)

    def spec(request: Request, error: Exception) -> Response:
        assert isinstance(error, SpecError)
        return respond(request, of_spec_error(error))

    def known(request: Request, error: Exception) -> Response:
        name = next(kind for base, kind in table.items() if isinstance(error, base))
        return respond(request, Problem(name, str(error)))

    def database(request: Request, error: Exception) -> Response:
        log.warning("the database did not answer: %s", type(error).__name__)
        return respond(request, unavailable())

    def database_fault(request: Request, error: Exception) -> Response:
        assert isinstance(error, DBAPIError)
        away = error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _BEHIND
        return database(request, error) if away else unexpected(request, error)

    def unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return respond(
            request, Problem("internal", "Something went wrong on our side; it has been written to the log.")
        )

    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, parameters)
    app.add_exception_handler(Problem, refused)
    app.add_exception_handler(SpecError, spec)
    for base in table:
        app.add_exception_handler(base, known)
    for away in (OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(away, database)
    app.add_exception_handler(DBAPIError, database_fault)
    app.add_exception_handler(Exception, unexpected)
