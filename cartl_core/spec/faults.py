"""From a validation error to fields, messages and what is allowed there, in words for the one who wrote it.

What is allowed is read from the JSON schema of the model, so a new field needs no line here. A validator that
knows it better raises ``refusal``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cartl_core.errors import SpecError
from cartl_core.spec.allowed import allowed, known_fields
from cartl_core.spec.base import REFUSED, SpecModel

WHOLE = "body"
"""The field of a fault that is of no single field."""
MAX_REPORTED = 20
MAX_FIELD_LENGTH = 200

_MESSAGES = {
    "missing": "this field is required",
    "extra_forbidden": "unknown field",
    "int_type": "a whole number is expected",
    "int_from_float": "a whole number is expected",
    "int_parsing": "a whole number is expected",
    "int_parsing_size": "a whole number is expected, with fewer digits",
    "float_type": "a number is expected",
    "float_parsing": "a number is expected",
    "finite_number": "a finite number is expected",
    "bool_type": "true or false is expected",
    "bool_parsing": "true or false is expected",
    "string_type": "a text is expected",
    "string_unicode": "the text holds what is no character",
    "string_too_long": "the text is too long",
    "string_too_short": "the text is too short",
    "string_pattern_mismatch": "the text has another form than is allowed",
    "tuple_type": "a list is expected",
    "list_type": "a list is expected",
    "too_long": "the list is too long",
    "too_short": "the list is too short",
    "model_type": "an object is expected",
    "model_attributes_type": "an object is expected",
    "dict_type": "an object is expected",
    "literal_error": "it is none of the values that are allowed",
    "enum": "it is none of the values that are allowed",
    "greater_than": "it must be more than {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than": "it must be less than {lt}",
    "less_than_equal": "it must be at most {le}",
}
"""By pydantic's type of an error; what is allowed follows the message."""

_FIELD = re.compile(r"[a-z0-9_]+")
Location = tuple[str | int, ...]
P = TypeVar("P", bound=SpecModel)


class Nothing:
    """What lies where nothing was written, or where nobody knows what was."""


NOTHING = Nothing()


@dataclass(frozen=True)
class Fault:
    """One fault: a dotted path, what is wrong there, what may stand there."""

    field: str
    message: str
    allowed: str | None = None


def faults_of(
    model: type[BaseModel],
    error: ValidationError,
    written: object = NOTHING,
    patterns: Mapping[str, str] | None = None,
) -> tuple[Fault, ...]:
    """The first faults of ``written``, one for each field of it.

    Args:
        model: what it was to be.
        error: why it is none.
        written: as it was read.
        patterns: words for patterns of ``model`` that ``cartl_core.spec.allowed`` does not know.
    """
    found: dict[str, Fault] = {}
    errors = error.errors(include_url=False, include_input=False)
    faulty_lists = {told["loc"][:-1] for told in errors if told["loc"]}
    for told in errors:
        if told["type"] == "too_short" and told["loc"] in faulty_lists:
            continue  # pydantic counts the items that are right
        fault = _fault(model, told, written, patterns or {})
        found.setdefault(fault.field, fault)
        if len(found) == MAX_REPORTED:
            break
    return tuple(found.values())


def first_fault(
    model: type[BaseModel],
    error: ValidationError,
    written: object,
    where: str = "",
    *,
    whole: str = WHOLE,
) -> SpecError:
    """The first fault as an error.

    Args:
        model: what it was to be.
        error: why it is none.
        written: as it was read.
        where: path of what was validated.
        whole: the field of a fault that is of no single field.
    """
    fault = faults_of(model, error, written)[0]
    path = ".".join(part for part in (where, fault.field if fault.field != WHOLE else "") if part)
    return SpecError(path or whole, fault.message, allowed=fault.allowed)


def fields_in(message: str) -> list[str]:
    """The fields that a message names, in backquotes."""
    return re.findall(r"`([a-z0-9_.]+)`", message)


def _fault(model: type[BaseModel], told: Any, written: object, patterns: Mapping[str, str]) -> Fault:
    kind, location = told["type"], _without_alternatives(told["loc"], written)
    field = as_written(location, written)
    if kind == REFUSED:
        return Fault(field, told["ctx"]["why"], told["ctx"]["allowed"])
    if kind == "extra_forbidden":
        return Fault(field, _MESSAGES[kind], known_fields(model, location[:-1]))
    if kind == "value_error":
        return Fault(field, in_words(told))
    return Fault(field, in_words(told), allowed(model, location, patterns))


def _without_alternatives(location: Location, written: object) -> Location:
    """``location`` without the names that pydantic gives to the members of a union, which nobody wrote."""
    path: list[str | int] = []
    value = written
    for step in location:
        inside = _inside(value, step)
        if isinstance(value, dict) and inside is NOTHING and not _FIELD.fullmatch(str(step)):
            continue
        path.append(step)
        value = inside
    return tuple(path)


def in_words(told: Any) -> str:
    """The message of one of pydantic's errors, without what is allowed."""
    words = _MESSAGES.get(told["type"])
    return words.format(**told.get("ctx", {})) if words else str(told["msg"]).removeprefix("Value error, ")


def as_written(location: Location, written: object) -> str:
    """A dotted path, cut where the person wrote a plain value: `dataset`, not `dataset.name`."""
    path: list[str | int] = []
    value = written
    for step in location:
        if not isinstance(value, dict | list | tuple | Nothing):
            break
        path.append(step)
        value = _inside(value, step)
    return ".".join(str(step) for step in path)[:MAX_FIELD_LENGTH] or WHOLE


def is_written(field: str, written: object) -> bool:
    """Whether a dotted path leads to something that the person wrote."""
    value = written
    for step in field.split("."):
        value = _inside(value, step)
        if value is NOTHING:
            return False
    return True


def _inside(value: object, step: str | int) -> object:
    if isinstance(value, dict):
        return value.get(str(step), NOTHING)
    if isinstance(value, list | tuple) and str(step).isdigit() and int(step) < len(value):
        return value[int(step)]
    return NOTHING


def build(part: type[P], settings: dict[str, Any], where: str) -> P:
    """Validate a part; the first fault becomes a ``SpecError`` at its full path."""
    try:
        return part.model_validate(settings)
    except ValidationError as error:
        raise first_fault(part, error, settings, where) from error
