"""Sends a person who opens an address of the API in a browser to the page of the same thing."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.negotiate import choose
from api.http.problems import Problem

JSON, HTML = "application/json", "text/html"
PAGES = (
    (re.compile(r"/(jobs)?"), "/ui/jobs"),
    (re.compile(r"/jobs/[0-9a-f-]{1,64}"), "/ui{path}"),
    (re.compile(r"/(sweeps|datasets|teachers|webhooks)(/[0-9A-Za-z._-]{1,64})?"), "/ui{path}"),
    (re.compile(r"/workers"), "/ui{path}"),
)
"""Paths that answer JSON, and the pages in their place."""


class PagesForBrowsers:
    """Redirects a GET that would rather have a page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        page = _page_of(scope)
        if page is None:
            await self._app(scope, receive, send)
        else:
            await RedirectResponse(page, 303)(scope, receive, send)


def _page_of(scope: Scope) -> str | None:
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return None
    page = next((page for pattern, page in PAGES if pattern.fullmatch(scope["path"])), None)
    if page is None:
        return None
    try:
        wants = choose(Headers(scope=scope).get("accept"), (JSON, HTML))
    except Problem:
        return None
    return page.format(path=scope["path"]) if wants == HTML else None
