"""All settings of a deployment, from ``jobs.settings``."""

from __future__ import annotations

from jobs.settings import Settings
from tools.reference.markdown import code, docstring, table
from tools.reference.schema import Sections

INTRODUCTION = """\
# Settings

Settings are environment variables. The API, the workers and `python -m jobs` read the same ones; an empty
variable counts as unset. The command `cartl` has its own two: `CARTL_URL`, where the service answers, and
`CARTL_KEY`.

"""
UNSET = {"", "."}
"""Defaults that stand for "worked out from other settings"."""


def settings_page() -> str:
    """One table, in the order of the class."""
    schema = Settings.model_json_schema()
    sections, prefix = Sections(schema), str(Settings.model_config.get("env_prefix"))
    rows = (
        (
            code(prefix + name.upper()),
            sections.type_of(field),
            sections.range_of(field),
            "" if str(field.get("default")) in UNSET | {"None"} else code(field["default"]),
            field.get("description", ""),
        )
        for name, field in schema["properties"].items()
    )
    head = ("variable", "type", "range", "default", "meaning")
    return f"{INTRODUCTION}{docstring(Settings)}\n\n{table(head, rows)}".rstrip() + "\n"
