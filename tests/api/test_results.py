"""The report, and the files of a job: whole, in part, not changed, hostile."""

from __future__ import annotations

import json
import os
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.render import sentences
from cartl_core.report import Report
from cartl_core.report.notices import RuntimeChanged
from cartl_core.spec import JobSpec
from jobs.database.engine import transaction
from jobs.tables import Job
from tests.fixtures.reports import full_report, report_event

SCHEMA_1 = Path(__file__).parents[1] / "core" / "render" / "data" / "schema_1"

CONTENT = bytes(range(256)) * 4


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
    return {name: value for name, value in answer.items() if name != "text"}


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
    assert answer["text"] == {"headline": old["headline"], "warnings": old["warnings"]}
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


def test_files_are_listed_and_sent(client: TestClient, job: dict[str, Any], worker: Any) -> None:
    claim = worker.claim()
    worker.write(claim, "weights.safetensors", CONTENT, "application/octet-stream")
    worker.write(claim, "report.md", b"# r", "text/markdown")
    listed = client.get(job["links"]["artifacts"]).json()["data"]
    assert [(one["name"], one["size"]) for one in listed] == [("report.md", 3), ("weights.safetensors", 1024)]
    answer = client.get(listed[1]["link"])
    assert answer.content == CONTENT
    assert answer.headers["etag"] == f'"{listed[1]["sha256"]}"'
    assert answer.headers["content-length"] == "1024"
    assert answer.headers["content-disposition"] == 'attachment; filename="weights.safetensors"'
    assert client.get(listed[0]["link"]).headers["content-disposition"].startswith("inline")


@pytest.fixture
def link(client: TestClient, job: dict[str, Any], worker: Any) -> str:
    worker.write(worker.claim(), "weights.safetensors", CONTENT, "application/octet-stream")
    return f"{job['links']['artifacts']}/weights.safetensors"


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=1000-", 1000, 1024),
        ("bytes=-24", 1000, 1024),
        ("bytes=-5000", 0, 1024),
        ("bytes=1000-99999999", 1000, 1024),
    ],
)
def test_a_range_is_sent(client: TestClient, link: str, wanted: str, start: int, stop: int) -> None:
    answer = client.get(link, headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:stop]
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/1024"
    assert answer.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize("wanted", ["bytes=1024-", "bytes=5000-6000", "bytes=-0", f"bytes={'9' * 40}-"])
def test_a_range_beyond_the_file_is_416(client: TestClient, link: str, wanted: str) -> None:
    answer = client.get(link, headers={"Range": wanted})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */1024"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("wanted", ["bytes=", "bytes=-", "bytes=9-3", "lines=1-2", "bytes=a-b", "x"])
def test_a_range_that_makes_no_sense_is_ignored(client: TestClient, link: str, wanted: str) -> None:
    answer = client.get(link, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, CONTENT)


def test_several_ranges_come_as_parts(client: TestClient, link: str) -> None:
    answer = client.get(link, headers={"Range": "bytes=0-1,4-5"})
    assert answer.status_code == 206
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    parts = answer.content.split(f"--{boundary}".encode())
    assert [part.partition(b"\r\n\r\n")[2].strip(b"\r\n") for part in parts[1:-1]] == [
        CONTENT[0:2],
        CONTENT[4:6],
    ]
    assert [
        b"Content-Range: bytes %d-%d/1024" % span in part
        for span, part in zip(((0, 1), (4, 5)), parts[1:-1], strict=True)
    ] == [True, True]
    assert client.get(link, headers={"Range": "bytes=0-1,5000-"}).status_code == 416


def test_conditional_requests(client: TestClient, link: str) -> None:
    tag = client.get(link).headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = client.get(link, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert client.get(link, headers={"If-None-Match": '"other"'}).status_code == 200
    resumed = client.get(link, headers={"Range": "bytes=1000-", "If-Range": tag})
    assert resumed.status_code == 206
    changed = client.get(link, headers={"Range": "bytes=1000-", "If-Range": '"other"'})
    assert (changed.status_code, changed.content) == (200, CONTENT)


def test_a_damaged_file_is_not_served_under_its_etag(
    client: TestClient, job: dict[str, Any], worker: Any
) -> None:
    """A flipped bit, even where the file's times are set back, and after it was served whole."""
    path = worker.write(worker.claim(), "weights.safetensors", CONTENT, "application/octet-stream")
    link = f"{job['links']['artifacts']}/weights.safetensors"
    assert client.get(link).content == CONTENT
    before = path.stat()
    path.write_bytes(bytes([CONTENT[0] ^ 1]) + CONTENT[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    for headers in ({}, {"Range": "bytes=10-19"}):
        answer = client.get(link, headers=headers)
        assert answer.status_code == 500
        assert answer.json()["type"] == "/problems/damaged"
        assert "weights.safetensors was damaged" in answer.json()["detail"]
    assert client.head(link).status_code == 500
    path.write_bytes(CONTENT)
    assert client.get(link).content == CONTENT


def test_the_report_is_shown_where_its_page_is_damaged(
    client: TestClient, job: dict[str, Any], worker: Any
) -> None:
    claim = worker.claim()
    path = worker.write(claim, "report.html", b"<!doctype html>written", "text/html")
    worker.complete(claim)
    assert client.get(job["links"]["report"]).text == "<!doctype html>written"
    path.write_bytes(b"<!doctype html>wrItten")
    assert "wrItten" not in client.get(job["links"]["report"]).text


@pytest.mark.parametrize(
    "name",
    [
        "%2e%2e",
        "..%2fspec.json",
        "%2e%2e%2fspec.json",
        "%2fetc%2fpasswd",
        "a%00b",
        ".hidden",
        "a%5cb",
    ],
)
def test_hostile_names_find_nothing(client: TestClient, job: dict[str, Any], link: str, name: str) -> None:
    # Escaped, because the client would resolve ".." by itself.
    answer = client.get(f"{job['links']['artifacts']}/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_file_that_is_gone_or_lies_elsewhere_is_404_and_tells_no_path(
    client: TestClient, job: dict[str, Any], worker: Any, settings: Any
) -> None:
    claim = worker.claim()
    path = worker.write(claim, "gone.txt", b"x", "text/plain")
    path.unlink()
    answer = client.get(f"{job['links']['artifacts']}/gone.txt")
    assert answer.status_code == 404
    path.symlink_to("/etc/hostname")
    elsewhere = client.get(f"{job['links']['artifacts']}/gone.txt")
    assert elsewhere.status_code == 404
    assert str(settings.data_dir) not in answer.text + elsewhere.text


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml"])
def test_pages_that_a_run_wrote_come_in_a_sandbox(
    client: TestClient, job: dict[str, Any], worker: Any, media_type: str
) -> None:
    worker.write(worker.claim(), "plot", b"<script>alert(1)</script>", media_type)
    headers = client.get(f"{job['links']['artifacts']}/plot").headers
    assert headers["content-security-policy"] == (
        "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    )
    assert headers["x-content-type-options"] == "nosniff"


def test_an_empty_file_is_sent(client: TestClient, job: dict[str, Any], worker: Any) -> None:
    worker.write(worker.claim(), "empty.txt", b"", "text/plain")
    link = f"{job['links']['artifacts']}/empty.txt"
    assert (client.get(link).status_code, client.get(link).content) == (200, b"")
    assert client.get(link, headers={"Range": "bytes=0-"}).status_code == 416
