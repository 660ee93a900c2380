"""The service with its files in a bucket: what people send and get goes through it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from jobs.files.artifacts import log_file
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from tests.api.conftest import Worker, local_client
from tests.api.uploads.test_uploads import BINARY, asked, network  # noqa: F401  a fixture
from tests.fixtures.object_store import ACCESS_KEY, SECRET_KEY

CONTENT = os.urandom(700_000)


@pytest.fixture
def settings(settings: Settings, bucket_url: str) -> Settings:
    return settings.model_copy(update={"store": bucket_url})


@pytest.fixture
def link(client: TestClient, small: dict[str, Any], worker: Worker) -> str:
    job = client.post("/jobs", json=small).json()
    claim = worker.claim()
    worker.write(claim, "weights.safetensors", CONTENT, "application/octet-stream")
    worker.write(claim, "report.html", b"<p>robust</p>", "text/html")
    return f"{job['links']['artifacts']}/weights.safetensors"


def test_a_file_is_sent_whole_in_ranges_and_not_again(client: TestClient, link: str) -> None:
    answer = client.get(link)
    assert answer.content == CONTENT
    tag = answer.headers["etag"]
    assert tag == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert answer.headers["content-disposition"] == 'attachment; filename="weights.safetensors"'
    assert client.head(link).headers["content-length"] == "700000"
    assert client.get(link, headers={"If-None-Match": tag}).status_code == 304
    for wanted, start, stop in (("10-19", 10, 20), ("-5", 699_995, 700_000), ("100-650000", 100, 650_001)):
        part = client.get(link, headers={"Range": f"bytes={wanted}"})
        assert part.status_code == 206
        assert part.content == CONTENT[start:stop]
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/700000"
    several = client.get(link, headers={"Range": "bytes=0-1,500000-500001"})
    assert several.status_code == 206
    assert CONTENT[500_000:500_002] in several.content
    assert client.get(link, headers={"Range": "bytes=700000-"}).status_code == 416


def test_a_file_that_is_gone_or_another_is_no_answer(
    client: TestClient, link: str, settings: Settings
) -> None:
    store = artifact_store(settings)
    assert client.get("/readyz").json()["storage"] == "ok"
    (key,) = (key for key in store.list() if key.endswith("weights.safetensors"))
    store.put(key, b"another")
    assert client.get(link).json()["type"].endswith("/damaged")
    store.delete(key)
    assert client.get(link).status_code == 404


def test_weights_are_redirected_where_that_is_set_and_pages_are_not(settings: Settings, link: str) -> None:
    redirecting = settings.model_copy(update={"store_redirects": True})
    with local_client(redirecting, follow_redirects=False) as client:
        answer = client.get(link)
        assert answer.status_code == 307
        assert answer.headers["cache-control"] == "private, no-store"
        assert httpx.get(answer.headers["location"]).content == CONTENT
        assert client.head(link).status_code == 200
        page = client.get(link.replace("weights.safetensors", "report.html"))
    assert (page.status_code, page.text) == (200, "<p>robust</p>")
    assert "sandbox" in page.headers["content-security-policy"]


def test_an_upload_is_measured_and_deleted(
    client: TestClient,
    settings: Settings,
    network: bytes,  # noqa: F811
) -> None:
    kept = client.post("/uploads", content=network, headers=BINARY).json()
    assert kept["sha256"] == hashlib.sha256(network).hexdigest()
    assert client.post("/jobs", json=asked(kept["id"])).json()["spec"]["network"]["sha256"] == kept["sha256"]
    assert client.delete(f"/uploads/{kept['id']}").status_code == 409
    other = client.post("/uploads", content=network[:-1] + b"x", headers=BINARY).json()
    assert client.delete(f"/uploads/{other['id']}").status_code == 204
    assert list(artifact_store(settings).list("uploads")) == [f"uploads/{kept['id']}.safetensors"]


def test_a_data_set_comes_in_and_goes(client: TestClient, settings: Settings) -> None:
    made = client.post("/datasets", json={"name": "mine", "size": 5})
    assert made.status_code == 201, made.text
    assert (
        client.put(made.headers["location"] + "/content", content=b"12345", headers=BINARY).status_code == 202
    )
    store = artifact_store(settings)
    (key,) = store.list("datasets")
    with store.open(key) as file:
        assert file.read() == b"12345"
    assert client.delete(made.headers["location"]).status_code == 204
    assert list(store.list("datasets")) == []


def test_logs_are_read_from_the_bucket(client: TestClient, link: str, settings: Settings) -> None:
    job = client.get("/jobs").json()["data"][0]
    key = log_file(settings, job["id"], 1).relative_to(settings.cache_dir / "artifacts").as_posix()
    artifact_store(settings).put(key, b"one\ntwo\nthree\n")
    assert client.get(f"/jobs/{job['id']}/logs?tail=2").text == "two\nthree\n"


def test_nothing_is_kept_on_the_disk_of_the_service(
    client: TestClient, link: str, settings: Settings
) -> None:
    client.get(link)
    for folder in (settings.artifacts_dir, settings.stages_dir):
        assert [path for path in Path(folder).rglob("*") if path.is_file()] == []


def test_a_store_that_is_away_is_said_so_without_credentials(
    settings: Settings, link: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    away = settings.model_copy(update={"store": f"{settings.store}/"})  # opened anew
    with local_client(away) as client:
        answer = client.get(link)
        ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["storage"]) == (200, "degraded", "away")
    assert "refuses these credentials" in ready.json()["message"]
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("/unavailable")
    assert "refuses these credentials" in caplog.text
    for secret in (SECRET_KEY, ACCESS_KEY, "not-the-secret"):
        assert secret not in caplog.text + answer.text + ready.text + repr(away)
