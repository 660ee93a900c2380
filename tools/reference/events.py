"""The events that a run tells and the orders that it takes."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from cartl_core.events import EVENT, ORDER
from tools.reference.schema import Sections

INTRODUCTION = """\
# Events

A run says what it does as JSON objects with a `type`: on standard output with `--progress jsonl`, to the
function that a caller of `cartl_core.run.pipeline.run` gives, and to the supervisor of a worker. `GET
/jobs/{id}/events` shows those that the record keeps. A supervised run takes orders on standard input.

"""


def events_page() -> str:
    """All events, then all orders, each with its fields."""
    return (
        INTRODUCTION + _union("Events of a run", EVENT) + _union("Orders to a run", ORDER)
    ).rstrip() + "\n"


def _union(title: str, adapter: TypeAdapter[Any]) -> str:
    schema = adapter.json_schema()
    members = [part["$ref"].rpartition("/")[2] for part in schema["oneOf"]]
    as_fields = {**schema, "properties": {name: {"$ref": f"#/$defs/{name}"} for name in members}}
    sections = Sections(as_fields)
    # The table of the union itself would only name its members; the sections of the members follow it.
    return f"## {title}\n\n{sections.objects(as_fields)}"
