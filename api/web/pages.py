"""Pages for people, made on the server: no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from jinja2 import Environment

from api.http.problems import Kind
from cartl_core.render.templating import environment


@cache
def _environment() -> Environment:
    return environment(__package__, ".")


def _page(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values)


def problems_page(kinds: Iterable[Kind]) -> str:
    """What these kinds of problem mean."""
    return _page("problems.html", title="Problems", kinds=kinds)


def docs_page(document: dict[str, Any]) -> str:
    """An OpenAPI document for people to read."""
    operations = [
        {"path": path, "method": method.upper(), **operation}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    tags = list(dict.fromkeys(tag for operation in operations for tag in operation.get("tags", [])))
    return _page(
        "docs.html", title=document["info"]["title"], document=document, operations=operations, tags=tags
    )
