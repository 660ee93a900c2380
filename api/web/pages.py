"""Pages for people that say the same to everybody: the problems, and what there is to ask."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from api.http.problems import Kind
from cartl_core.render.templating import environment

CODE = re.compile("`([^`]+)`")


@cache
def _environment() -> Environment:
    found = environment(__package__, ".")
    found.filters["code"] = _code
    return found


def _code(text: str) -> Markup:
    """Text whose words in backticks are code."""
    return Markup(CODE.sub(r"<code>\1</code>", escape(text)))


def _page(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values)


def problems_page(kinds: Iterable[Kind]) -> str:
    """What these kinds of problem mean."""
    return _page("problems.html", title="Problems", kinds=kinds)


def docs_page(document: dict[str, Any]) -> str:
    """What an OpenAPI document says, for people, with a form to try each operation: the body of a page."""
    operations = [
        {
            "path": path,
            "method": method.upper(),
            "id": operation["operationId"],
            "tags": operation.get("tags", []),
            "summary": operation["summary"],
            "description": operation["description"],
            "parameters": [_parameter(one, document) for one in operation.get("parameters", [])],
            "body": _body(operation.get("requestBody"), document),
            "responses": operation["responses"],
        }
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return _page("docs_body.html", document=document, tags=document["tags"], operations=operations)


def _parameter(written: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """A parameter as an input: with its choices, and what it is where nothing is said."""
    kinds = [_resolved(kind, document) for kind in written["schema"].get("anyOf", [written["schema"]])]
    choices = next((kind["enum"] for kind in kinds if "enum" in kind), ())
    if any(kind.get("type") == "boolean" for kind in kinds):
        choices = ("true", "false")
    default = written["schema"].get("default")
    return {
        "name": written["name"],
        "in": written["in"],
        "required": written.get("required", False),
        "description": written.get("description") or written["schema"].get("description", ""),
        "choices": choices,
        "placeholder": "" if default is None else str(default).lower(),
    }


def _body(written: dict[str, Any] | None, document: dict[str, Any]) -> dict[str, Any] | None:
    """What is sent: its kind, examples and fields."""
    if written is None:
        return None
    kind, content = next(iter(written["content"].items()))
    schemas = content["schema"].get("anyOf", [content["schema"]])
    return {
        "kind": kind,
        "examples": content.get("examples", {}),
        "schemas": [
            {"name": schema["$ref"].rpartition("/")[2], "fields": _resolved(schema, document)["properties"]}
            for schema in schemas
            if "$ref" in schema
        ],
    }


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema
    if "$ref" in schema:
        found = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found
