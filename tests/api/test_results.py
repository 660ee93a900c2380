"""The report, and the files of a job: whole, in part, not changed, hostile."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import Progress
from cartl_core.render import sentences
from cartl_core.report import Report
from cartl_core.report.notices import RuntimeChanged
from cartl_core.spec import JobSpec
from jobs.database.engine import transaction
from jobs.tables import Job
from tests.fixtures.reports import full_report, report_event

SCHEMA_1 = Path(__file__).parents[1] / "core" / "render" / "data" / "schema_1"


@pytest.fixture
def job(client: TestClient, small: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = client.post("/jobs", json=small).json()
    return found


def report_of(job: dict[str, Any], *, complete: bool, told: str | None = None) -> Report:
    """A report with one warning that names ``told``."""
    spec = JobSpec.model_validate(job["spec"])
    warnings = (RuntimeChanged(changed=(told,)),) if told else ()
    return Report(complete=complete, spec=spec, spec_digest=job["spec_digest"], warnings=warnings)


def values_of(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without the sentences that it came with."""
    return {name: value for name, value in answer.items() if name not in ("text", "measurements")}


def test_a_report_is_there_from_the_start_and_grows(
    client: TestClient, job: dict[str, Any], worker: Any
) -> None:
    path = job["links"]["robustness"]
    first = client.get(path).json()
    assert Report.model_validate(values_of(first)) == report_of(job, complete=False)
    assert first["text"] == {"headline": None, "warnings": []}
    claim = worker.claim()
    worker.tell(claim, report_event(report_of(job, complete=False, told="half way")))
    (said,) = client.get(path).json()["text"]["warnings"]
    assert "half way differ" in said
    worker.tell(claim, report_event(report_of(job, complete=True, told="all of it")))
    worker.complete(claim)
    last = client.get(path).json()
    assert (last["complete"], last["warnings"][0]["changed"]) == (True, ["all of it"])


def test_the_answer_has_the_reports_sentences_and_the_stored_report_has_none(
    client: TestClient, job: dict[str, Any], worker: Any, factory: sessionmaker[Session]
) -> None:
    report = full_report()
    worker.tell(worker.claim(), report_event(report))
    answer = client.get(job["links"]["robustness"]).json()
    assert answer["text"]["headline"] == sentences.headline(report)
    assert answer["text"]["warnings"] == list(sentences.read_first(report))
    assert values_of(answer) == report.model_dump(mode="json")
    with transaction(factory) as session:
        stored = session.execute(select(Job.report).where(Job.id == job["id"])).scalar_one()
    assert stored == values_of(answer)


def test_a_report_of_schema_1_is_answered_in_todays_with_what_it_said(
    client: TestClient, job: dict[str, Any], factory: sessionmaker[Session]
) -> None:
    old = json.loads((SCHEMA_1 / "warnings.json").read_text())
    with transaction(factory) as session:
        session.execute(update(Job).where(Job.id == job["id"]).values(report=old))
    answer = client.get(job["links"]["robustness"]).json()
    assert answer["schema_version"] == 2
    assert answer["text"]["headline"] == old["headline"]
    # A baseline's failed check comes last now; the Markdown below has the order.
    assert sorted(answer["text"]["warnings"]) == sorted(old["warnings"])
    text = client.get(job["links"]["robustness"], headers={"Accept": "text/markdown"}).text
    assert text == (SCHEMA_1 / "warnings.md").read_text()
    page = client.get(job["links"]["report"])
    assert (page.status_code, old["headline"] in unescape(page.text)) == (200, True)


def test_the_report_is_also_markdown_and_a_page(client: TestClient, job: dict[str, Any], worker: Any) -> None:
    worker.tell(
        worker.claim(),
        report_event(report_of(job, complete=False, told="<script>alert(1)</script> kept")),
    )
    text = client.get(job["links"]["robustness"], headers={"Accept": "text/markdown"})
    assert text.headers["content-type"].startswith("text/markdown")
    assert text.text.startswith("# Robustness report")
    page = client.get(job["links"]["report"])
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    assert "<title>Robustness report" in page.text
    assert "Not complete" in page.text
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text


def test_the_page_of_a_job_that_succeeded_is_the_file_that_its_run_wrote(
    client: TestClient, job: dict[str, Any], worker: Any
) -> None:
    claim = worker.claim()
    written = b"<!doctype html><p>with figures</p>"
    path = worker.write(claim, "report.html", written, "text/html; charset=utf-8")
    worker.tell(claim, report_event(report_of(job, complete=True, told="all of it")))
    assert client.get(job["links"]["report"]).content != written, "not before the job has succeeded"
    worker.complete(claim)
    page = client.get(job["links"]["report"])
    assert page.content == written
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-disposition"] == 'inline; filename="report.html"'
    assert page.headers["content-security-policy"] == (
        "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    )
    assert page.headers["x-content-type-options"] == "nosniff"
    again = client.get(job["links"]["report"], headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    path.unlink()
    drawn = client.get(job["links"]["report"])
    assert drawn.status_code == 200
    assert "all of it" in drawn.text, "without its file the page is made from the stored report"


def test_the_page_of_a_job_without_a_file_is_made_from_its_report(
    client: TestClient, job: dict[str, Any], worker: Any
) -> None:
    claim = worker.claim()
    worker.tell(claim, report_event(report_of(job, complete=True, told="all of it")))
    worker.complete(claim)
    page = client.get(job["links"]["report"])
    assert "all of it" in page.text
    assert "Not complete" not in page.text


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/markdown"),
        ("text/markdown;q=0.5, application/json;q=0.4", "text/markdown"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=0, */*", "text/markdown"),
    ],
)
def test_the_media_type_is_chosen_by_accept(
    client: TestClient, job: dict[str, Any], accept: str | None, answer: str
) -> None:
    client.headers.pop("accept")
    found = client.get(job["links"]["robustness"], headers={"Accept": accept} if accept else {})
    assert found.headers["content-type"].startswith(answer)


@pytest.mark.parametrize(
    "accept", ["application/xml", "text/markdown;q=0", "application/json;q=x", "nonsense"]
)
def test_what_nobody_offers_is_406(client: TestClient, job: dict[str, Any], accept: str) -> None:
    answer = client.get(job["links"]["robustness"], headers={"Accept": accept})
    assert answer.status_code == 406
    assert answer.json()["type"] == "/problems/not-acceptable"


def test_a_person_reads_the_report_below_a_line_that_leads_to_the_job(
    client: TestClient, job: dict[str, Any], worker: Any
) -> None:
    people = {"Accept": "text/html,*/*;q=0.8"}
    claim = worker.claim()
    worker.tell(
        claim,
        report_event(report_of(job, complete=False, told="so far")),
        Progress(stage="pretrain", label="teacher (at)", fraction=0.25, seconds_left=90.0),
    )
    running = client.get(job["links"]["report"], headers=people)
    for words in ("25 %", "teacher (at)", "1 min 30 s left", f"/ui/jobs/{job['id']}/files"):
        assert words in running.text
    assert running.headers["refresh"] == "15"
    assert running.headers["content-security-policy"].startswith("default-src 'none'")
    written = b"<!doctype html><body><main>with figures</main></body>"
    worker.write(claim, "report.html", written, "text/html; charset=utf-8")
    worker.complete(claim)
    assert client.get(job["links"]["report"]).content == written
    done = client.get(job["links"]["report"], headers=people)
    assert f'href="/jobs/{job["id"]}/robustness"' in done.text
    assert done.text.endswith("<main>with figures</main></body>")
    assert "refresh" not in done.headers
    assert done.headers["content-security-policy"].startswith("sandbox")
    again = client.get(job["links"]["report"], headers=people | {"If-None-Match": done.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
