"""Diagnostics that earlier versions stored, in the form of this one: without sentences, with later fields."""

from __future__ import annotations

from typing import Any

SENTENCES: dict[str, tuple[tuple[str, ...], ...]] = {
    "audit": (("words",), ("network", "words")),
    "smoothing": (("words",),),
}
"""By diagnostic: the paths of sentences of report schema 1."""


LATER: dict[str, dict[str, Any]] = {"checks": {"not_finite": 0}}
"""By diagnostic: fields that earlier versions did not store, and what stands for them."""


def in_current_form(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """The stored value of the diagnostic ``name`` as this version stores it; ``value`` is left as it is."""
    for path in SENTENCES.get(name, ()):
        value = _without(value, path)
    return {**LATER.get(name, {}), **value}


def _without(value: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    first, *rest = path
    if not rest:
        return {key: part for key, part in value.items() if key != first}
    return {**value, first: _without(value[first], tuple(rest))}
