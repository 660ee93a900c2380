"""Files of a job: lists, ranges, conditional requests, hostile names."""

from __future__ import annotations

import os
from typing import Any

import pytest
from fastapi.testclient import TestClient

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def job(client: TestClient, small: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = client.post("/jobs", json=small).json()
    return found


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
