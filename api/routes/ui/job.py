"""One job: how it goes, its report, files, log and specification; a link to its report for a colleague."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from api.deps import ContextDep, JobId, Submitter
from api.http.files import send_file
from api.http.problems import Problem
from api.logs import log_tail
from api.report_page import UNFINISHED, report_for_people
from api.routes.results import measurements_of, report_of, written_page
from api.routes.ui.visit import Visit, VisitDep
from api.schemas import View
from api.shared_links import LinkInvalid, make_link, read_link
from api.web.charts import frame_of_series
from api.web.timeline import WHOLE, stages_over_time
from cartl_core.render import html, sentences
from cartl_core.render.event_lines import event_line
from cartl_core.report.given_teacher import GivenTeacher, teacher_of
from cartl_core.spec.existing_network import spec_of
from jobs import store
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store.rights.audit import note
from jobs.tables import Job, JobEvent

router = APIRouter(include_in_schema=False)

EVENTS_SHOWN = 40
EVENTS_READ = 2000
LOG_LINES = 500
TAKEN_AWAY = (".html", ".md", ".json", ".safetensors")
"""Ends of the names of files that stand beside the report; the others are under Files."""
FRAMED = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""The report shows in a frame of the job's page; no script runs in it, whoever wrote it."""


class LinkView(View):
    """A link to a report that needs no key."""

    url: str
    expires_at: str


def _tabs(job_id: str) -> tuple[tuple[str, str], ...]:
    base = f"/ui/jobs/{job_id}"
    return (
        ("Progress", base),
        ("Robustness", f"{base}/robustness"),
        ("Files", f"{base}/files"),
        ("Log", f"{base}/log"),
        ("Specification", f"{base}/specification"),
    )


def _page(visit: Visit, job: Job, template: str, **values: Any) -> Response:
    return visit.page(
        template,
        title=job.name or job.id[:12],
        here="/ui/jobs",
        job=job,
        tabs=_tabs(job.id),
        tab=visit.request.url.path,
        live=visit.live,
        **values,
    )


@router.get("/ui/jobs/{job_id}")
def show_progress(job_id: JobId, visit: VisitDep) -> Response:
    """Where it is, curves, stages, the latest events."""
    with visit.reading() as session:
        job = store.find(session, job_id, visit.caller.owner)
        waiting = visit.waiting(session, [job], visit.capacity(session)).get(job.id)
        newest = _newest_events(session, job)
        pace = store.pace_of(session, job)
    return _page(
        visit,
        job,
        "job_overview.html",
        waiting=waiting,
        headline=_headline(job),
        teacher=tuple(sentences.about_given_teacher(teacher)) if (teacher := _teacher(job)) else (),
        pace=pace,
        stages=stages_over_time(newest, datetime.now(UTC), running=job.state == JobState.RUNNING),
        whole=WHOLE,
        teacher_title=sentences.GIVEN_TEACHER,
        events=[
            {"number": event.number, "at": event.at, "words": words}
            for event in reversed(newest)
            if (words := event_line({"type": event.type, "body": event.body})) is not None
        ][:EVENTS_SHOWN],
    )


def _newest_events(session: Session, job: Job) -> Sequence[JobEvent]:
    return store.events_after(session, job.id, max(0, job.event_count - EVENTS_READ), EVENTS_READ)


def _headline(job: Job) -> str | None:
    return sentences.headline(report_of(job)) if job.report is not None else None


def _teacher(job: Job) -> GivenTeacher | None:
    """The teacher that it was given or measures; of a job that trains its own no specification is read."""
    names_one = job.spec.get("teacher") or job.spec.get("network")
    return teacher_of(spec_of(job.spec)) if names_one else None


@router.get("/ui/jobs/{job_id}/robustness")
def show_robustness(job_id: JobId, visit: VisitDep) -> Response:
    """The report in its place."""
    with visit.reading() as session:
        job = store.overview(session, job_id, visit.caller.owner)
        files = [row for row in store.artifacts_of(session, job_id) if row.name.endswith(TAKEN_AWAY)]
        rows = measurements_of(session, job, visit.caller.owner)
    mine = job.owner_id == visit.caller.owner
    return _page(
        visit,
        job,
        "job_robustness.html",
        mine=mine,
        files=files,
        measurements=rows,
        frame=frame_of_series(len(rows)),
    )


@router.get("/ui/jobs/{job_id}/report")
def frame_report(job_id: JobId, visit: VisitDep) -> Response:
    """The report alone, to be framed by the page of its job."""
    with visit.reading() as session:
        job = store.find(session, job_id, visit.caller.owner)
        return _report_page(visit.request, session, job, visit.context.settings)


def _report_page(request: Request, session: Session, job: Job, settings: Settings) -> Response:
    page = written_page(session, job, settings)
    if page is None:
        return HTMLResponse(html.render(report_of(job)), headers=FRAMED)
    row, file = page
    answer = send_file(request, file, name=row.name, media_type=row.media_type, etag=row.sha256)
    answer.headers.update(FRAMED)
    return answer


@router.get("/ui/jobs/{job_id}/files")
def show_files(job_id: JobId, visit: VisitDep) -> Response:
    """What may be taken away."""
    with visit.reading() as session:
        job = store.overview(session, job_id, visit.caller.owner)
        files = store.artifacts_of(session, job_id)
    return _page(visit, job, "job_files.html", files=files)


@router.get("/ui/jobs/{job_id}/log")
def show_log(job_id: JobId, visit: VisitDep) -> Response:
    """The end of the log."""
    with visit.reading() as session:
        job = store.overview(session, job_id, visit.caller.owner)
    text = log_tail(visit.context.settings, job_id, LOG_LINES)
    return _page(
        visit, job, "job_text.html", text=text, about=f"The last {LOG_LINES} lines of the run's log."
    )


@router.get("/ui/jobs/{job_id}/specification")
def show_specification(job_id: JobId, visit: VisitDep) -> Response:
    """All that was settled when it was submitted."""
    with visit.reading() as session:
        job = store.overview(session, job_id, visit.caller.owner)
    text = json.dumps(job.spec, indent=2, ensure_ascii=False)
    about = "The resolved specification: the request with every default filled in."
    return _page(visit, job, "job_text.html", text=text, about=about)


@router.post("/ui/jobs/{job_id}/link")
def make_report_link(job_id: JobId, caller: Submitter, context: ContextDep) -> LinkView:
    """A signed link to the report of a job of yours; it ends after a week, and with the key that made it."""
    if caller.key_id is None:
        raise Problem(
            "not-allowed", "Links need a key: without one the service answers to this machine alone."
        )
    with context.writing() as session:
        job = store.find(session, job_id, caller.owner)
        link = make_link(session, caller.key_id, job_id)
        note(session, caller.actor, "job.link", job_id, of=job.owner_id, until=link.expires_at.isoformat())
    return LinkView(url=f"/ui/r/{link.token}", expires_at=link.expires_at.isoformat())


@router.get("/ui/r/{token}")
def follow_link(token: str, request: Request, context: ContextDep) -> Response:
    """The report that a link leads to."""
    with context.reading() as session:
        try:
            job_id, owner = read_link(session, token)
            job = store.find(session, job_id, owner)
        except LinkInvalid as error:
            raise Problem("not-found", str(error)) from error
        if job.state in UNFINISHED:
            return report_for_people(request, job, html.render(report_of(job)), written=False, links=False)
        return _report_page(request, session, job, context.settings)
