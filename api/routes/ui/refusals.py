"""Problems of pages, as pages; a program gets them as it always does."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from api.http.negotiate import choose
from api.http.problems import MEDIA_TYPE, Problem, respond
from api.routes.ui.session import sign_in_address
from api.web.render import LIVE, page

HTML = "text/html"


def respond_for_people(request: Request, problem: Problem) -> Response:
    """The response that tells ``problem``: of a page a page; who has no key is sent to sign in."""
    if not _is_page(request):
        return respond(request, problem)
    if problem.kind.status == 401 and LIVE not in request.headers:
        return RedirectResponse(sign_in_address(request), 303)
    return page(
        request,
        "problem.html",
        title=problem.kind.title,
        detail=problem.detail,
        status=problem.kind.status,
    )


def _is_page(request: Request) -> bool:
    if not request.url.path.startswith("/ui"):
        return False
    try:
        return choose(request.headers.get("accept"), (MEDIA_TYPE, HTML)) == HTML
    except Problem:
        return False
