"""A report as a person gets it by itself: above it how far its job is, and where the job's other parts are.

A program that asks for the page gets it as the run wrote it. Who asks for ``text/html`` by name is a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from fastapi import Request
from fastapi.responses import HTMLResponse

from api.http.files import page_headers
from api.http.negotiate import choose
from api.http.problems import Problem
from api.report_view import Measurement
from api.web.render import part
from jobs.state import JobState
from jobs.tables import Job

AGAIN_SECONDS = 15
BEGIN = "<main>"
"""Where the report begins in its page."""
HTML, ANYTHING = "text/html", "application/octet-stream"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""No script runs. Under a sandbox a page cannot load itself again, so one that is made here has none."""
UNFINISHED = (JobState.QUEUED, JobState.RUNNING)


def asked_by_a_person(request: Request) -> bool:
    """Whether ``text/html`` was asked for by name, as browsers do."""
    try:
        return choose(request.headers.get("accept"), (ANYTHING, HTML)) == HTML
    except Problem:
        return False


def report_for_people(
    request: Request,
    job: Job,
    page: str,
    *,
    written: bool,
    links: bool = True,
    measurements: Sequence[Measurement] = (),
) -> HTMLResponse:
    """``page`` with a line above it; 304 where the browser has it.

    Args:
        written: a run wrote it, so it gets the sandbox of all files of runs.
        links: whoever reads it may see the job as well.
        measurements: of the job's network, this one among them; told where there are several.
    """
    waits = job.state in UNFINISHED
    line = part(
        "report_line.html",
        job=job,
        links=links,
        waits=waits,
        seconds=AGAIN_SECONDS,
        measurements=measurements,
    )
    text = page.replace(BEGIN, line + BEGIN, 1)
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()}"'
    headers = {**page_headers(), "ETag": etag, "Vary": "Accept", "Cache-Control": "private, no-cache"}
    if not written:
        headers["Content-Security-Policy"] = POLICY
    if waits:
        headers |= {"Refresh": str(AGAIN_SECONDS), "Cache-Control": "no-store"}
    if etag in request.headers.get("if-none-match", ""):
        return HTMLResponse(status_code=304, headers=headers)
    return HTMLResponse(text, headers=headers)
