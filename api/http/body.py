"""Reading a JSON body strictly: what is ambiguous, lossy or hostile is refused with its own answer."""

from __future__ import annotations

from dataclasses import replace
from email.message import Message
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from api.http.problems import Problem, invalid_fields
from cartl_core.strict_json import REQUEST, JsonRefused, Limits, loads

M = TypeVar("M", bound=BaseModel)


async def read_body(request: Request, limit: int) -> bytes:
    """The body of ``request``, at most ``limit`` bytes.

    Raises:
        Problem: the content type is not JSON, or the body is too large.
    """
    _check_content_type(request)
    return await read_bytes(request, limit)


async def read_bytes(request: Request, limit: int) -> bytes:
    """The body of ``request``, whatever it is.

    Raises:
        Problem: it has more than ``limit`` bytes.
    """
    if declared_size(request) > limit:
        raise too_large(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def parse(model: type[M], body: bytes, limits: Limits = REQUEST) -> M:
    """``body`` as a ``model``.

    Raises:
        Problem: it is no JSON (400), or not a valid ``model`` (422, with the fields).
    """
    value = parse_json(body, limits)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid_fields(model, error, value) from error


def parse_json(body: bytes, limits: Limits = REQUEST) -> object:
    """The value of a JSON text, read strictly; its size was bounded when it came in.

    Raises:
        Problem: it is no JSON, or more of it than ``limits`` allow.
    """
    try:
        return loads(body, replace(limits, size=len(body)))
    except JsonRefused as error:
        where = f"At {error.where}: " if error.where else ""
        raise Problem(error.kind, f"{where}{error.why[0].upper()}{error.why[1:]}.") from error


def _check_content_type(request: Request) -> None:
    header = request.headers.get("content-type", "")
    parsed = Message()
    parsed["content-type"] = header
    kind = parsed.get_content_type() if header else ""
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise _wrong_type(f"The content type is {header[:100]!r}, but application/json is expected.")
    charset = str(parsed.get_param("charset", "utf-8"))
    if charset.lower() not in {"utf-8", "utf8"}:
        raise _wrong_type("JSON is UTF-8: leave the charset out.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _wrong_type("A compressed body is not accepted.")


def _wrong_type(detail: str) -> Problem:
    return Problem("wrong-content-type", detail, headers={"Accept-Post": "application/json"})


def declared_size(request: Request) -> int:
    """Bytes that the request says it has; 0 where it does not say."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0


def too_large(limit: int) -> Problem:
    """The answer to a body of more than ``limit`` bytes."""
    return Problem(
        "body-too-large", f"A body may have at most {limit} bytes.", headers={"Connection": "close"}
    )
