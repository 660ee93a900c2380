"""What digests hang on besides names: defaults of fields, and which recipe recorded which golden data."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.planning.stage_digests import RECIPE_VERSION
from tests.golden.files import read
from tests.golden.stored import MODELS


def defaults() -> dict[str, Any]:
    """The default of every field of a stored specification, as ``PART.FIELD``."""
    found: dict[str, Any] = {}
    for model in MODELS:
        schema = model.model_json_schema()
        for part, told in {model.__name__: schema, **schema.get("$defs", {})}.items():
            for name, field in told.get("properties", {}).items():
                if "default" in field:
                    found[f"{part}.{name}"] = field["default"]
    return found


def recipe_names() -> dict[str, str]:
    """The recipe of each golden part, as the list of recipes has it."""
    facts = sorted((name, facts.recipe) for name, facts in DIAGNOSTIC_FACTS.items())
    diagnostics = ", ".join(f"{name} {recipe}" for name, recipe in facts)
    return {
        "teachers": f"pretrain {RECIPE_VERSION['pretrain']}",
        "students": f"pretrain {RECIPE_VERSION['pretrain']}, transfer {RECIPE_VERSION['transfer']}",
        "outcomes": f"evaluate {RECIPE_VERSION['evaluate']}; {diagnostics}",
    }


def recorded() -> dict[str, str]:
    """SHA-256 of each golden part, as it is recorded now."""
    losses = read("losses")
    parts = {"teachers": losses["teachers"], "students": losses["students"], "outcomes": read("outcomes")}
    return {
        name: hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()
        for name, part in parts.items()
    }


def listed(recipes: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The list with what is recorded now.

    Raises:
        ValueError: other data were recorded by this very recipe: raise its version first.
    """
    names, found = recipe_names(), recorded()
    for part, sha256 in found.items():
        known = recipes.setdefault(part, {}).setdefault(names[part], sha256)
        if known != sha256:
            raise ValueError(f"{part} of {names[part]} were recorded before and were others")
    return recipes


def with_new_defaults(kept: dict[str, Any]) -> dict[str, Any]:
    """The list with the fields that are new.

    Raises:
        ValueError: a field's default has changed, and a stage of the old one would be taken for the new one.
    """
    found = defaults()
    for name, value in kept.items():
        if name in found and found[name] != value:
            raise ValueError(f"the default of {name} was {value!r} and is {found[name]!r}")
    return {**kept, **found}
