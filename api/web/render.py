"""Templates of the pages, and the headers with which they go out."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment
from markupsafe import Markup

from api.auth import Caller
from api.http.cookies import csrf_token, session_token
from api.web.assets import address_of
from cartl_core.render import numbers
from cartl_core.render.templating import environment
from cartl_core.spec.request import HIGHEST_PRIORITY, LOWEST_PRIORITY

PLACES = (
    ("Jobs", "/ui/jobs"),
    ("Sweeps", "/ui/sweeps"),
    ("Data sets", "/ui/datasets"),
    ("Teachers", "/ui/teachers"),
    ("Workers", "/ui/workers"),
    ("Webhooks", "/ui/webhooks"),
    ("API", "/docs"),
)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LIVE = "x-live"
"""A page that asks for itself sends what it was told here, and gets nothing where nothing has changed."""


@cache
def _environment() -> Environment:
    found = environment("api.web")
    found.filters.update(
        duration=numbers.duration,
        bytes=_bytes,
        count=numbers.count,
        json=_json,
        percent=numbers.percent,
        radius=numbers.radius,
    )
    found.globals.update(
        static=address_of, lowest_priority=LOWEST_PRIORITY, highest_priority=HIGHEST_PRIORITY
    )
    return found


def page(
    request: Request,
    template: str,
    *,
    caller: Caller | None = None,
    here: str = "",
    open_to_all: bool = False,
    status: int = 200,
    **values: Any,
) -> Response:
    """One page; 204 where the page that asks has it already.

    Args:
        caller: who looks; None shows no navigation.
        here: the place of the navigation that it belongs to.
        open_to_all: it shows the navigation to everybody, and whoever is signed in may act on it.
    """
    acts = open_to_all or (caller is not None and caller.key_id is not None)
    token = session_token(request) if acts else None
    text = (
        _environment()
        .get_template(template)
        .render(
            caller=caller,
            csrf=csrf_token(token) if token else None,
            places=PLACES,
            here=here,
            open_to_all=open_to_all,
            narrow=values.pop("narrow", False),
            **values,
        )
    )
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    if request.headers.get(LIVE) == digest:
        return Response(status_code=204, headers={LIVE: digest, "Cache-Control": "no-store"})
    return HTMLResponse(text, status, headers={**HEADERS, LIVE: digest})


def part(template: str, **values: Any) -> str:
    """A part of a page that is made elsewhere."""
    return _environment().get_template(template).render(**values)


def _bytes(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _json(value: Any) -> Markup:
    """JSON that may stand in a script element: nothing in it ends the element."""
    text = json.dumps(value, ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
