"""Signing in and out, and the static files."""

from __future__ import annotations

from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from api.auth import address_of
from api.deps import AppContext, ContextDep, app_context, count_failure
from api.http.body import read_bytes
from api.http.cookies import (
    demand_csrf,
    drop_session,
    refuse_other_sites,
    session_token,
    set_session,
)
from api.web.assets import asset
from api.web.render import page
from jobs.store.rights.audit import Actor, note
from jobs.store.rights.keys import verify
from jobs.store.rights.web_sessions import close_session, key_of_session, open_session

router = APIRouter(include_in_schema=False)

HOME = "/ui/jobs"
FORM_BYTES = 4096
UNKNOWN = "This key is not known, has expired or was revoked."
YEAR = "public, max-age=31536000, immutable"


def sign_in_address(request: Request) -> str:
    """Where somebody who is not signed in goes, and from there back to what was asked for."""
    return f"/ui/sign-in?next={quote(inside(request.url.path), safe='')}"


def inside(path: str) -> str:
    """A path of these pages to go to, whatever was asked for; never another site."""
    return path if path.startswith("/ui/") and "//" not in path and "\\" not in path else HOME


@router.get("/ui")
@router.get("/ui/")
def start() -> RedirectResponse:
    """The first page."""
    return RedirectResponse(HOME, 303)


@router.get("/ui/sign-in")
def show_sign_in(request: Request, next: str = HOME) -> Response:  # noqa: A002 - the parameter's name in the address
    """The form that takes a key."""
    return page(request, "sign_in.html", title="Sign in", next=inside(next), fault=None, narrow=True)


@router.post("/ui/sign-in")
async def sign_in(request: Request) -> Response:
    """A key is exchanged for a session."""
    refuse_other_sites(request)
    written = parse_qs((await read_bytes(request, FORM_BYTES)).decode("utf-8", errors="replace"))
    key, target = written.get("key", [""])[0].strip(), inside(written.get("next", [HOME])[0])
    token = await run_in_threadpool(_begin, request, app_context(request), key)
    if token is None:
        return page(
            request, "sign_in.html", title="Sign in", next=target, fault=UNKNOWN, narrow=True, status=401
        )
    answer = RedirectResponse(target, 303)
    set_session(answer, request, token)
    return answer


def _begin(request: Request, context: AppContext, key: str) -> str | None:
    address = address_of(request)
    with context.writing() as session:
        found = verify(session, key)
        if found is not None:
            token = open_session(session, found.id)
            note(session, Actor(found.owner_id, found.id, address), "session.open", found.id)
            return token
    context.refusals.record(Actor(None, address=address), "session.open", "unknown")
    count_failure(request, context)
    return None


@router.post("/ui/sign-out", status_code=204)
def sign_out(request: Request, context: ContextDep, response: Response) -> None:
    """The session counts no more, here and for whoever has its cookie."""
    token = session_token(request)
    if token is not None:
        demand_csrf(request, token)
        with context.writing() as session:
            key = key_of_session(session, token)
            close_session(session, token)
            if key is not None:
                actor = Actor(key.owner_id, key.id, address_of(request))
                note(session, actor, "session.close", key.id)
    drop_session(response)


@router.get("/ui/static/{release}/{name:path}")
def static(release: str, name: str, request: Request) -> Response:
    """A style sheet or a script; its address changes with its bytes."""
    found = asset(name)
    headers = {"ETag": f'"{found.etag}"', "Cache-Control": YEAR, "X-Content-Type-Options": "nosniff"}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.media_type)
