"""Reading a JSON body strictly: what is ambiguous, lossy or hostile is refused with its own answer.

Python's parser takes NaN, repeated keys, endless digits and lone surrogates; a job must not depend on
how one parser reads them, so each is refused here, before validation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from email.message import Message
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from api.http.problems import Problem, invalid
from api.http.validation_errors import field_errors

MAX_DEPTH = 32
MAX_DIGITS = 40

M = TypeVar("M", bound=BaseModel)


async def read_body(request: Request, limit: int) -> bytes:
    """The body of ``request``, at most ``limit`` bytes.

    Raises:
        Problem: the content type is not JSON, or the body is too large.
    """
    _check_content_type(request)
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


def parse(model: type[M], body: bytes) -> M:
    """``body`` as a ``model``.

    Raises:
        Problem: it is no JSON (400), or not a valid ``model`` (422, with the fields).
    """
    value = parse_json(body)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(field_errors(model, error, value)) from error


def parse_json(body: bytes) -> object:
    """The value of a JSON text: UTF-8, each key once, finite numbers, at most ``MAX_DEPTH`` deep."""
    if not body.strip():
        raise Problem("malformed-json", "The body is empty; a JSON object is expected.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem("invalid-text", f"The body is not UTF-8: byte {error.start} is not valid.") from error
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except json.JSONDecodeError as error:
        raise Problem(
            "malformed-json", f"{error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise _too_deep() from error
    _check(value)
    return value


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


def _too_deep() -> Problem:
    return Problem("too-deep", f"JSON may be nested at most {MAX_DEPTH} deep.")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value: dict[str, object] = {}
    for name, item in pairs:
        if name in value:
            raise Problem("duplicate-key", f"The key {name[:100]!a} occurs twice in one object.")
        value[name] = item
    return value


def _constant(name: str) -> object:
    raise Problem("number-out-of-range", f"{name} is not a JSON number.")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise Problem("number-out-of-range", "A number is too large for a double.")
    return value


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Problem("number-out-of-range", f"An integer may have at most {MAX_DIGITS} digits.")
    return int(digits)


def _check(value: object) -> None:
    """Refuse what is too deep, and text that no UTF-8 writer can store (lone surrogates)."""
    level: list[object] = [value]
    depth = 0
    while level:
        for text in (item for item in level if isinstance(item, str)):
            _check_text(text)
        containers = [item for item in level if isinstance(item, dict | list)]
        depth += 1
        if containers and depth > MAX_DEPTH:
            raise _too_deep()
        level = [inner for item in containers for inner in _inside(item)]


def _inside(value: dict[object, object] | list[object]) -> Iterable[object]:
    if isinstance(value, list):
        return value
    for name in value:
        _check_text(str(name))
    return value.values()


def _check_text(text: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Problem("invalid-text", "A text holds half of a surrogate pair, which is no character.")
