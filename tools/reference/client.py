"""The Python client: every name of ``cartl``, classes with their methods."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

import cartl
from tools.reference.library import signature

INTRODUCTION = """\
# The Python client

`from cartl import NAME`. The base of the package suffices: no torch, no numpy.
[The how-to page](../how-to/use-from-python.md) shows it at work.

"""


def client_page() -> str:
    """A section for each name."""
    return (INTRODUCTION + "".join(_section(name) for name in cartl.__all__)).rstrip() + "\n"


def _section(name: str) -> str:
    found = getattr(cartl, name)
    docs = inspect.cleandoc(found.__doc__ or "")
    if inspect.isclass(found) and issubclass(found, Exception):
        return f"## `{name}`\n\n{docs}\n\n"
    head = (
        docs
        if inspect.isclass(found) and issubclass(found, BaseModel)
        else f"{signature(name, found)}\n\n{docs}"
    )
    parts = "".join(_method(f"{name}.{inner}", method) for inner, method in _methods(found))
    return f"## `{name}`\n\n```text\n{head}\n```\n\n{parts}"


def _methods(found: Any) -> Iterator[tuple[str, Any]]:
    """Public methods and properties of a class, in the order of its text."""
    if inspect.isclass(found):
        for name, inner in vars(found).items():
            if not name.startswith(("_", "model_")) and (
                inspect.isfunction(inner) or isinstance(inner, property)
            ):
                yield name, inner


def _method(name: str, found: Any) -> str:
    if isinstance(found, property):
        returned = inspect.signature(found.fget).return_annotation if found.fget else Any
        return f"- `{name}: {returned}`. {inspect.cleandoc(found.__doc__ or '')}\n\n"
    kind = "await " if inspect.iscoroutinefunction(found) else ""
    text = f"{kind}{signature(name, found)}\n\n{inspect.cleandoc(found.__doc__ or '')}"
    return f"```text\n{text}\n```\n\n"
