"""From a validation error of a body to fields, messages and what is allowed there.

What is allowed is read from the JSON schema of the model, so a new field needs no line here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from api.http.problems import FieldError

MAX_REPORTED = 20
MAX_FIELD_LENGTH = 200

_MESSAGES = {
    "extra_forbidden": "unknown field",
    "missing": "this field is required",
}
_NUMBERS = {"integer", "number"}

Schema = dict[str, Any]
Location = tuple[str | int, ...]


def field_errors(model: type[BaseModel], error: ValidationError, body: object) -> tuple[FieldError, ...]:
    """The first faults of ``body`` as it was written, each with what ``model`` allows there."""
    return tuple(
        _field_error(model, fault["type"], fault["loc"], fault["msg"], body)
        for fault in error.errors(include_url=False, include_input=False)[:MAX_REPORTED]
    )


def _field_error(
    model: type[BaseModel], kind: str, location: Location, message: str, body: object
) -> FieldError:
    return FieldError(
        field=as_written(location, body),
        message=_MESSAGES.get(kind, message),
        allowed=_known_fields(model, location[:-1])
        if kind == "extra_forbidden"
        else allowed(model, location),
    )


def as_written(location: Location, body: object) -> str:
    """A dotted path, cut where the person wrote a plain value: `dataset`, not `dataset.name`."""
    written: list[str | int] = []
    value = body
    for step in location:
        if not isinstance(value, dict | list):
            break
        written.append(step)
        value = value.get(str(step)) if isinstance(value, dict) else _item(value, step)
    return ".".join(str(step) for step in written)[:MAX_FIELD_LENGTH] or "body"


def _item(value: list[object], step: str | int) -> object:
    return value[int(step)] if str(step).isdigit() and int(step) < len(value) else None


def allowed(model: type[BaseModel], location: Location) -> str | None:
    """What may stand at ``location``, in words; ``None`` when the schema says nothing."""
    words = (_describe(node) for node in _at(model, location))
    return " or ".join(dict.fromkeys(word for word in words if word)) or None


def _known_fields(model: type[BaseModel], location: Location) -> str | None:
    names = [name for node in _at(model, location) for name in node.get("properties", {})]
    return ", ".join(names) or None


@cache
def _schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema()


def _at(model: type[BaseModel], location: Location) -> list[Schema]:
    root = _schema(model)
    nodes = list(_branches(root, root))
    for step in location:
        children = (_child(node, step) for node in nodes)
        nodes = [branch for child in children if child is not None for branch in _branches(child, root)]
    return nodes


def _child(node: Schema, step: str | int) -> Schema | None:
    child = node.get("items") if isinstance(step, int) else node.get("properties", {}).get(step)
    return child if isinstance(child, dict) else None


def _branches(node: Schema, root: Schema) -> Iterator[Schema]:
    """The alternatives of a node with references followed; null is left out."""
    if "$ref" in node:
        name = str(node["$ref"]).rsplit("/", 1)[-1]
        yield from _branches(root["$defs"][name], root)
    elif "anyOf" in node:
        for branch in node["anyOf"]:
            yield from _branches(branch, root)
    elif node.get("type") != "null":
        yield node


def _describe(node: Schema) -> str | None:
    if "enum" in node:
        return ", ".join(str(value) for value in node["enum"])
    if "const" in node:
        return str(node["const"])
    kind = node.get("type")
    if kind in _NUMBERS:
        return _describe_number(str(kind), node)
    if kind == "string":
        return _bounded("text", node, "minLength", "maxLength", "characters")
    if kind == "array":
        return _bounded("list", node, "minItems", "maxItems", "items")
    return str(kind) if kind else None


def _describe_number(kind: str, node: Schema) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{kind}, {low} to {high}"
    parts = [
        f"at least {low}" if low is not None else "",
        f"more than {above}" if above is not None else "",
        f"at most {high}" if high is not None else "",
        f"less than {below}" if below is not None else "",
    ]
    return ", ".join([kind, *(part for part in parts if part)])


def _bounded(kind: str, node: Schema, low: str, high: str, unit: str) -> str:
    least, most = node.get(low), node.get(high)
    pattern = f" that matches {node['pattern']}" if "pattern" in node else ""
    if least is None and most is None:
        return kind + pattern
    bounds = f"at most {most}" if least is None else f"{least} to {most}" if most else f"at least {least}"
    return f"{kind} of {bounds} {unit}{pattern}"
