"""Errors of the framework, of the lower layers and of our own, each answered as a problem.

``KIND_OF_ERROR`` in ``api.main`` says which error of the lower layers is which kind.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.http.middleware import LOGGED, takes
from api.http.patterns import PATTERNS
from api.http.problems import (
    KINDS,
    FieldError,
    Problem,
    invalid,
    of_spec_error,
    storage_full,
    store_unavailable,
    unavailable,
)
from cartl_core.errors import SpecError
from cartl_core.spec.faults import MAX_REPORTED, in_words
from cartl_core.storage.bucket import StoreUnavailable
from jobs.database.engine import check
from jobs.errors import DatabaseMismatch
from jobs.files.space import database_has_no_room, is_disk_full

log = logging.getLogger("cartl.api")

# What the framework raises by itself, by status.
_KIND_OF_STATUS = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
}
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
# PostgreSQL's codes for a table and a column that are missing, and SQLite's words for it.
_MISSING_CODES = {"42P01", "42703"}
_MISSING_WORDS = ("no such table", "no such column", "has no column named")


def _of_framework(request: Request, error: HTTPException) -> Problem:
    name = _KIND_OF_STATUS.get(error.status_code, "bad-request" if error.status_code < 500 else "internal")
    status = HTTPStatus(KINDS[name].status)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    return Problem(name, f"{status.phrase}: {status.description or KINDS[name].title}", headers=headers)


def _methods(request: Request) -> list[str]:
    """The methods of a path, over all its routes; the framework would name those of the first alone."""
    found = {
        method
        for method in METHODS
        if any(takes(route, request.scope, method) for route in request.app.routes)
    }
    # `HeadAsGet` answers HEAD wherever there is a GET.
    return sorted(found | {"HEAD"} if "GET" in found else found)


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


def _misses_something(error: Exception) -> bool:
    """A table or a column is not there: the database is at the migration of another version."""
    original = getattr(error, "orig", None)
    words = str(original)
    return getattr(original, "sqlstate", None) in _MISSING_CODES or any(
        one in words for one in _MISSING_WORDS
    )


def _mismatch(request: Request) -> Problem | None:
    """What is wrong with the migration of the database, if anything is."""
    try:
        check(request.app.state.context.engine)
    except DatabaseMismatch as error:
        return Problem("not-ready", str(error))
    except SQLAlchemyError:
        return None
    return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


Respond = Callable[[Request, Problem], Response]


def install(app: FastAPI, table: Mapping[type[Exception], str], respond: Respond) -> None:
    """Let ``app`` answer every error as a problem.

    Args:
        app: the application.
        table: errors of the lower layers -> name of the kind; their text becomes the detail.
        respond: makes the response that tells a problem.
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

    def system(request: Request, error: Exception) -> Response:
        if isinstance(error, StoreUnavailable):
            log.error("%s %s: %s", request.method, request.url.path, error.strerror)
            return respond(request, store_unavailable())
        return no_room(request, error) if is_disk_full(error) else unexpected(request, error)

    def no_room(request: Request, error: Exception) -> Response:
        log.error("%s %s: a disk is full: %s", request.method, request.url.path, _first_line(error))
        return respond(request, storage_full())

    def database(request: Request, error: Exception) -> Response:
        if is_disk_full(error) or database_has_no_room(request.app.state.context.settings):
            return no_room(request, error)
        if _misses_something(error) and (mismatch := _mismatch(request)) is not None:
            return respond(request, mismatch)
        log.warning("the database did not answer: %s", type(error).__name__)
        return respond(request, unavailable())

    def database_fault(request: Request, error: Exception) -> Response:
        assert isinstance(error, DBAPIError)
        if error.connection_invalidated or _misses_something(error) or is_disk_full(error):
            return database(request, error)
        return unexpected(request, error)

    def unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        request.scope[LOGGED] = error
        return respond(
            request, Problem("internal", "Something went wrong on our side; it has been written to the log.")
        )

    def gone(request: Request, error: Exception) -> Response:
        log.debug("%s %s: the client has gone", request.method, request.url.path)
        return Response(status_code=400)  # nobody reads it

    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(RequestValidationError, parameters)
    app.add_exception_handler(Problem, refused)
    app.add_exception_handler(SpecError, spec)
    for base in table:
        app.add_exception_handler(base, known)
    for away in (OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(away, database)
    app.add_exception_handler(DBAPIError, database_fault)
    app.add_exception_handler(OSError, system)
    app.add_exception_handler(Exception, unexpected)
