"""What may stand in a field, in words, read from the JSON schema of its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from cartl_core.spec.data_and_model import COMMIT, DATA_NAME, NAME, SHA256, TAG
from cartl_core.spec.existing_network import ID
from cartl_core.spec.measures.attack import LABEL_PATTERN
from cartl_core.spec.resources.common import RESOURCE_NAME

_NUMBERS = {"integer", "number"}

_KINDS = {"boolean": "true or false"}

PATTERNS = {
    NAME: "without line breaks and other control characters",
    TAG: "letters, digits and . _ : = -, the first a letter or a digit",
    RESOURCE_NAME: "1 to 64 small letters, digits, _ and -, the first a letter or a digit",
    LABEL_PATTERN: "1 to 64 small letters, digits and _ . -, the first a letter or a digit",
    ID: "1 to 64 characters: digits, a to f and -, as an id was printed",
    DATA_NAME: "1 to 64 letters, digits and . _ -, the first a letter or a digit",
    COMMIT: "a whole commit: 40 or 64 digits and letters a to f",
    SHA256: "64 characters: digits and a to f",
}
"""What the patterns of specifications say, in words."""

Schema = dict[str, Any]
Location = tuple[str | int, ...]


def allowed(
    model: type[BaseModel], location: Location, patterns: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """What may stand at ``location``, in words; ``None`` when the schema says nothing.

    ``patterns`` has words for patterns beyond those of specifications.
    """
    words = (_describe(node, {**PATTERNS, **patterns}) for node in _at(model, location))
    return " or ".join(dict.fromkeys(word for word in words if word)) or None


def known_fields(model: type[BaseModel], location: Location) -> str | None:
    """The names of the fields of the object at ``location``."""
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


def _describe(node: Schema, patterns: Mapping[str, str]) -> str | None:
    if "enum" in node:
        return ", ".join(str(value) for value in node["enum"])
    if "const" in node:
        return str(node["const"])
    kind = node.get("type")
    if kind in _NUMBERS:
        return _describe_number(str(kind), node)
    if kind == "string":
        form = patterns[node["pattern"]] if "pattern" in node else ""
        return ", ".join(filter(None, (_bounded("text", node, "minLength", "maxLength", "characters"), form)))
    if kind == "array":
        return _bounded("list", node, "minItems", "maxItems", "items")
    return _KINDS.get(str(kind), str(kind)) if kind else None


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
    if least is None and most is None:
        return kind
    bounds = f"at most {most}" if least is None else f"{least} to {most}" if most else f"at least {least}"
    return f"{kind} of {bounds} {unit}"
