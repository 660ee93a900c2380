"""The session cookie of a browser, and the token without which nothing is changed in its name."""

from __future__ import annotations

import hashlib
import hmac

from fastapi import Request, Response
from starlette.datastructures import Headers

from api.http.problems import Problem
from api.http.proxies import host_of
from jobs.store.rights.web_sessions import SESSION_SECONDS

COOKIE = "cartl_session"
CSRF_HEADER = "x-csrf-token"
LONGEST_TOKEN = 200
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def session_token(request: Request) -> str | None:
    """What the session cookie says; None without one."""
    token = request.cookies.get(COOKIE)
    return token if token and len(token) <= LONGEST_TOKEN else None


def csrf_token(token: str) -> str:
    """What a page of the session shows and its requests send back; another site can read neither."""
    return hmac.new(token.encode(), b"cartl csrf", hashlib.sha256).hexdigest()


def demand_csrf(request: Request, token: str) -> None:
    """Let nothing be changed by a request that a page of this service did not make.

    Raises:
        Problem: 403.
    """
    if request.method in SAFE_METHODS:
        return
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), csrf_token(token).encode()):
        raise Problem("not-allowed", "This was not asked by a page of the service. Load the page again.")
    refuse_other_sites(request)


def refuse_other_sites(request: Request) -> None:
    """Raise a 403 where the browser says that another site's page has sent the request."""
    if _is_of_another_site(request.headers):
        raise Problem("foreign-origin", "A page of another site has sent this.")


def set_session(response: Response, request: Request, token: str) -> None:
    """Give the browser its cookie: no script reads it, and other sites' requests do not carry it."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(SESSION_SECONDS),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def drop_session(response: Response) -> None:
    """Take the cookie away."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")


def _is_of_another_site(headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "same-origin").strip().lower() not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and host_of(origin) != host_of(f"//{headers.get('host', '')}")
