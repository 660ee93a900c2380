"""The index, the documentation and the list of problems: open to all, without a key."""

from __future__ import annotations

import json
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from markupsafe import Markup

from api.http.problems import KINDS, Problem
from api.schemas import View
from api.web.pages import docs_page, problems_page
from api.web.render import page

router = APIRouter(include_in_schema=False)

JSON = "application/json"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Index(View):
    """Where to go from here."""

    service: str = "CARTL: robust transfer learning as a service"
    version: str
    submit: str = "POST /jobs"
    jobs: str = "/jobs"
    datasets: str = "/datasets"
    models: str = "/models"
    docs: str = "/docs"
    pages: str = "/ui/jobs"
    openapi: str = "/openapi.json"
    ready: str = "/readyz"


@router.get("/")
def index(request: Request) -> JSONResponse:
    """Where to go; a browser is sent to the pages."""
    return JSONResponse(Index(version=request.app.version).model_dump())


@router.get("/openapi.json")
def openapi(request: Request) -> Response:
    """The API for programs."""
    document = _made_once(request, "openapi", lambda: json.dumps(request.app.openapi()))
    return Response(document, media_type=JSON)


@router.get("/docs")
def docs(request: Request) -> Response:
    """The API for people, with a form to try each operation."""
    body = _made_once(request, "docs", lambda: docs_page(request.app.openapi()))
    return page(
        request,
        "docs.html",
        title=request.app.title,
        version=request.app.version,
        summary=request.app.summary,
        here="/docs",
        open_to_all=True,
        body=Markup(body.decode()),
    )


@router.get("/problems")
def problems(request: Request) -> HTMLResponse:
    """What each kind of problem means."""
    page = _made_once(request, "problems", lambda: problems_page(KINDS.values()))
    return HTMLResponse(page, headers=HEADERS)


def _made_once(request: Request, name: str, make: Callable[[], str]) -> bytes:
    """A document that is the same for everybody, made when it is first asked for."""
    documents: dict[str, bytes] = request.app.state.documents
    if name not in documents:
        documents[name] = make().encode()
    return documents[name]


@router.get("/problems/{name}")
def problem(request: Request, name: str) -> HTMLResponse:
    """What one kind of problem means: where the ``type`` of an error leads."""
    if name not in KINDS:
        raise Problem("not-found", "There is no such kind of problem.")
    page = _made_once(request, f"problem {name}", lambda: problems_page([KINDS[name]]))
    return HTMLResponse(page, headers=HEADERS)
