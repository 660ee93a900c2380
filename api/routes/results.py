"""What a job found: the robustness report and its files."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from sqlalchemy.orm import Session

from api.deps import ContextDep, JobId, Reader, ReadRequestDep
from api.http.files import page_headers, redirect, send_file
from api.http.negotiate import choose
from api.openapi import problems
from api.report_page import asked_by_a_person, report_for_people
from api.report_view import Measurement, RobustnessReport, rows_of
from api.schemas import Artifacts, ArtifactView
from cartl_core.render import html, markdown
from cartl_core.render.schema_1 import read_report, read_report_text
from cartl_core.report import Report
from cartl_core.report.given_teacher import teacher_of
from cartl_core.spec import Runtime
from cartl_core.spec.existing_network import spec_of
from jobs import store
from jobs.errors import ArtifactDamaged, ArtifactNotFound
from jobs.files.artifacts import check_name
from jobs.files.kept_file import KeptFile
from jobs.files.proven import proven_file
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store.measurements import StoredReport, other_measurements, stored_report
from jobs.tables import Artifact, Job

router = APIRouter(tags=["results"])

JSON = "application/json"
MARKDOWN = "text/markdown"
PAGE = "report.html"
FRESH = {"Cache-Control": "no-store"}


@router.get(
    "/jobs/{job_id}/robustness",
    summary="The robustness report",
    response_model=RobustnessReport,
    responses={
        **problems(404, 406),
        200: {"description": "The report", "content": {MARKDOWN: {"schema": {"type": "string"}}}},
    },
)
def get_robustness(job_id: JobId, request: ReadRequestDep) -> Response:
    """What is known so far; `complete` is true at the end. `Accept: text/markdown` gives it as text."""
    with request.reading() as (session, caller):
        kind = choose(request.http.headers.get("accept"), (JSON, MARKDOWN))
        stored = stored_report(session, job_id, caller.owner)
        if stored.report is None:
            report = report_of(store.find(session, job_id, caller.owner))
        else:
            report = read_report_text(stored.report)
        rows = measurement_rows(session, stored, report, caller.owner) if kind == JSON else []
    if kind == JSON:
        answer = RobustnessReport.of(report, rows)
        return Response(answer.model_dump_json(), headers=FRESH, media_type=JSON)
    return PlainTextResponse(markdown.render(report), media_type=MARKDOWN, headers=FRESH)


def measurement_rows(
    session: Session, stored: StoredReport, report: Report, reader: str
) -> list[Measurement]:
    """The measurements of a job's network, once its own is complete.

    Whom the job is shared with sees no other jobs.
    """
    if not report.complete or stored.finished_at is None or stored.owner_id != reader:
        return []
    others = other_measurements(session, stored)
    return rows_of([(stored, report), *((other, report_in(other)) for other in others)])


def measurements_of(session: Session, job: Job, reader: str) -> list[Measurement]:
    """``measurement_rows`` of a job that has succeeded; of another one none."""
    if job.state != JobState.SUCCEEDED:
        return []
    stored = stored_report(session, job.id, reader)
    return measurement_rows(session, stored, report_in(stored), reader) if stored.report else []


def report_in(stored: StoredReport) -> Report:
    """The report of a job that has succeeded."""
    assert stored.report is not None
    return read_report_text(stored.report)


def report_of(job: Job) -> Report:
    """The stored report; before the run has reported anything, one with what the request settles: the teacher
    that it names was measured when it was brought."""
    if job.report is not None:
        return read_report(job.report)
    spec = spec_of(job.spec)
    return Report(
        complete=False,
        spec=spec,
        spec_digest=job.spec_digest,
        given_teacher=teacher_of(spec),
        runtime=Runtime.model_validate(job.runtime) if job.runtime else None,
    )


@router.get(
    "/jobs/{job_id}/report",
    summary="The report as a page for people",
    response_class=HTMLResponse,
    responses={
        **problems(404, 416),
        206: {
            "description": "The bytes asked for with Range, once the job has succeeded",
            "content": {"text/html": {"schema": {"type": "string"}}},
        },
        304: {"description": "Not changed since the ETag in If-None-Match, once the job has succeeded"},
    },
)
def get_report(job_id: JobId, caller: Reader, context: ContextDep, request: Request) -> Response:
    """The robustness report as HTML. Of a job that succeeded: the file with its figures that the run wrote;
    before that: what is known so far, in tables. With `Accept: text/html` a line above it leads to the job
    and says how far that is."""
    with context.reading() as session:
        job = store.find(session, job_id, caller.owner)
        page = written_page(session, job, context.settings)
        person = asked_by_a_person(request)
        rows = measurements_of(session, job, caller.owner) if person else []
    if person:
        text = html.render(report_of(job)) if page is None else page[1].read_text()
        return report_for_people(request, job, text, written=page is not None, measurements=rows)
    if page is not None:
        row, file = page
        return send_file(request, file, name=PAGE, media_type=row.media_type, etag=row.sha256)
    return HTMLResponse(html.render(report_of(job)), headers={**FRESH, **page_headers()})


def written_page(session: Session, job: Job, settings: Settings) -> tuple[Artifact, KeptFile] | None:
    """The page that the run of a job that succeeded wrote; runs of earlier versions wrote none.

    A damaged one is not shown: the record has the report as well.
    """
    if job.state != JobState.SUCCEEDED:
        return None
    try:
        row = store.artifact(session, job.id, PAGE)
        return row, proven_file(settings, row)
    except (ArtifactNotFound, ArtifactDamaged):
        return None


@router.get("/jobs/{job_id}/artifacts", summary="Files of a job", responses=problems(404))
def list_artifacts(job_id: JobId, caller: Reader, context: ContextDep) -> Artifacts:
    """Reports, and the students' weights as safetensors."""
    with context.reading() as session:
        store.find(session, job_id, caller.owner)
        return Artifacts(data=[ArtifactView.of(row) for row in store.artifacts_of(session, job_id)])


@router.head("/jobs/{job_id}/artifacts/{name}", include_in_schema=False)
@router.get(
    "/jobs/{job_id}/artifacts/{name}",
    summary="One file",
    response_class=Response,
    responses={
        **problems(404, 416),
        200: {
            "description": "The file",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        206: {
            "description": "The bytes asked for with Range",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        307: {"description": "With CARTL_STORE_REDIRECTS: it is at this signed address of the object store"},
        304: {"description": "Not changed since the ETag in If-None-Match"},
    },
)
def get_artifact(job_id: JobId, name: str, caller: Reader, context: ContextDep, request: Request) -> Response:
    """The file itself, with ETag and byte ranges. Pages come in a sandbox: they run no scripts."""
    with context.reading() as session:
        store.find(session, job_id, caller.owner)
        row = store.artifact(session, job_id, check_name(name))
    file = proven_file(context.settings, row)
    if context.settings.store_redirects and (answer := redirect(request, file, row.media_type)):
        return answer
    return send_file(
        request,
        file,
        name=row.name,
        media_type=row.media_type,
        etag=row.sha256,
        may_go_on=lambda: context.may_still_see(caller.watches(job_id)),
    )
