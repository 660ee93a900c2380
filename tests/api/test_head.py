"""HEAD answers as GET does, without the body; and a PostgreSQL without tables is not a mistake of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from jobs.settings import Settings
from tests.api.conftest import local_client


def test_probes_may_ask_with_head(client: TestClient) -> None:
    for path in ("/healthz", "/readyz"):
        answer = client.head(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert client.delete("/healthz").headers["allow"] == "GET, HEAD"
    assert client.head("/uploads/0").status_code == 404
    assert client.head("/jobs/0/cancel").status_code == 405


def test_a_files_size_can_be_asked_for(client: TestClient, small: dict[str, Any], worker: Any) -> None:
    job_id = client.post("/jobs", json=small).json()["id"]
    worker.write(worker.claim(), "weights.safetensors", b"0123456789", "application/octet-stream")
    path = f"/jobs/{job_id}/artifacts/weights.safetensors"
    asked, got = client.head(path), client.get(path)
    assert asked.status_code == 200 and asked.content == b"" and got.content == b"0123456789"
    names = ("content-length", "etag", "content-type", "accept-ranges", "content-security-policy")
    assert [asked.headers[name] for name in names] == [got.headers[name] for name in names]
    part = client.head(path, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.headers["content-range"]) == (206, "bytes 2-4/10")
    assert part.headers["content-length"] == "3"
    assert client.head(path, headers={"If-None-Match": got.headers["etag"]}).status_code == 304
    assert client.head(f"{path}.gone").status_code == 404


def test_a_postgresql_without_tables_is_503(new_postgres_database: str, tmp_path: Path) -> None:
    with local_client(Settings(data_dir=tmp_path, database_url=new_postgres_database)) as client:
        for path in ("/jobs", "/teachers", "/metrics"):
            answer = client.get(path)
            assert answer.status_code == 503, path
            assert answer.json()["type"] == "/problems/not-ready"
            assert "python -m jobs migrate" in answer.json()["detail"]
        assert client.get("/readyz").status_code == 503
