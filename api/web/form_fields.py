"""Fields of the form of a new job, made from the models of a request, so that none is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cartl_core.render import numbers

Kind = Literal["text", "choice", "number", "boolean", "list", "labels", "depth"]

LONGEST_HELP = 160
NUMBERS = (int, float)
RADII = ("eps", "step")
"""Ends of the names of radii and of steps within them, in pixel units."""
RADIUS = re.compile(r"(\d+)/255")


@dataclass(frozen=True)
class FormField:
    """One input: ``path`` in the request, dotted; ``value`` as text, empty where the preset decides."""

    path: str
    label: str
    kind: Kind = "text"
    choices: tuple[str, ...] = ()
    help: str = ""
    value: str = ""
    placeholder: str = ""


def fields_of(model: type[BaseModel], prefix: str, written: Mapping[str, Any]) -> tuple[FormField, ...]:
    """An input for each number, choice and switch of ``model`` and of the models in it.

    Args:
        prefix: path of the model in the request.
        written: the request to begin with.
    """
    return tuple(_walk(model, prefix, written))


def value_at(written: Mapping[str, Any], path: str) -> str:
    """What stands at a dotted path of a request, as an input shows it; empty where nothing does."""
    at: Any = written
    for part in path.split("."):
        if not isinstance(at, Mapping) or part not in at:
            return ""
        at = at[part]
    if path.endswith(RADII) and isinstance(at, float) and (found := RADIUS.fullmatch(numbers.radius(at))):
        return found[0] if int(found[1]) / 255 == at else str(at)
    if isinstance(at, bool):
        return str(at).lower()
    if isinstance(at, list):
        return ", ".join(map(str, at))
    return "" if at is None or isinstance(at, Mapping) else str(at)


def _walk(model: type[BaseModel], prefix: str, written: Mapping[str, Any]) -> Iterator[FormField]:
    for name, info in model.model_fields.items():
        path = f"{prefix}.{name}"
        kinds = tuple(_alternatives(info.annotation))
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if inner is not None:
            yield from _walk(inner, path, written)
        elif found := _field(path, kinds, info, written):
            yield found


def _field(
    path: str, kinds: tuple[Any, ...], info: FieldInfo, written: Mapping[str, Any]
) -> FormField | None:
    """None: a list, say, which the box for JSON takes."""
    choices = tuple(str(value) for kind in kinds if get_origin(kind) is Literal for value in get_args(kind))
    kind: Kind
    if bool in kinds:
        kind, choices = "boolean", ("true", "false")
    elif any(number in kinds for number in NUMBERS):
        kind = "number"
    elif choices:
        kind = "text"
    else:
        return None
    return FormField(
        path=path,
        label=path.partition(".")[2].replace("_", " ").replace(".", ", "),
        kind=kind,
        choices=choices,
        help=_shortened(info.description or ""),
        value=value_at(written, path),
        placeholder="preset",
    )


def _alternatives(annotation: Any) -> Iterator[Any]:
    """The members of a union, whatever it is annotated with."""
    if hasattr(annotation, "__metadata__"):
        yield from _alternatives(get_args(annotation)[0])
    elif (
        get_origin(annotation) is Literal
        or not get_args(annotation)
        or get_origin(annotation) in (tuple, dict)
    ):
        yield annotation
    else:
        for part in get_args(annotation):
            yield from _alternatives(part)


def _shortened(text: str) -> str:
    first = " ".join(text.split())
    return first if len(first) <= LONGEST_HELP else first[: LONGEST_HELP - 3].rsplit(" ", 1)[0] + " ..."
