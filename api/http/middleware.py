"""What comes before the routes: HTTP's version, HEAD for every GET, requests at a time of one address."""

from __future__ import annotations

from collections import Counter

from fastapi import FastAPI, Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.addresses import origin_of
from api.http.problems import Problem, respond

VERSIONS = ("1.0", "1.1", "2", "3")
"""2 and 3 come from servers other than ours."""
LOGGED = "cartl.logged"
"""In the scope of a request: the error whose trace was written to the log."""


class KnownVersion:
    """Answers a request in a version of HTTP that there is not, such as the first line of HTTP/2."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] == "http" and scope["http_version"] not in VERSIONS:
            problem = Problem(
                "version-not-supported",
                f"HTTP/{scope['http_version']} is not spoken here.",
                headers={"Connection": "close"},
            )
            await respond(Request(scope), problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class LoggedOnce:
    """Keeps from the server an error whose trace is in the log already; it would write the trace again.

    Any other error goes on to the server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if scope.get(LOGGED) is not error:
                raise


class AddressLimit:
    """At most ``most`` requests at a time of one address; behind a trusted proxy of the forwarded one."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        client = scope.get("client")
        if scope["type"] != "http" or client is None:
            await self._app(scope, receive, send)
            return
        origin = origin_of(client[0])
        if self._under_way[origin] >= self._most:
            problem = Problem(
                "too-many-connections", f"At most {self._most} requests at a time from one address."
            )
            await respond(Request(scope), problem)(scope, receive, send)
            return
        self._under_way[origin] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[origin] -= 1
            if not self._under_way[origin]:
                del self._under_way[origin]


class HeadAsGet:
    """Answers HEAD as the GET of the same path would be, without the body.

    A route with a HEAD of its own, which need not make the body first, is asked as it is.
    """

    def __init__(self, app: ASGIApp, routes: FastAPI) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or self._has_head(scope):
            await self._app(scope, receive, send)
            return
        ended = False

        async def send_head(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                await send(message)
            elif not ended:
                # The first part ends it: a stream then hears that nobody listens any more.
                ended = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app({**scope, "method": "GET"}, receive, send_head)

    def _has_head(self, scope: Scope) -> bool:
        return any(takes(route, scope, "HEAD") for route in self._routes.routes)


def takes(route: BaseRoute, scope: Scope, method: str) -> bool:
    """True when ``route`` answers ``method`` on the path of ``scope``."""
    return route.matches({**scope, "method": method})[0] is Match.FULL
