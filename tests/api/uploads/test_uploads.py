"""Uploads: whole or not at all, their owner's alone, believed only as far as their header was checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from cartl_core.storage.directory_store import INCOMING
from jobs.database.dialect import FromNow
from jobs.files.retention import prune
from jobs.settings import Settings
from jobs.tables import Upload
from tests.api.conftest import Worker, local_client

BINARY = {"Content-Type": "application/octet-stream"}
MODEL = {"name": "tiny", "stem_stride": 1, "image_size": 8, "channels": 1}
FIVE = {"name": "digits", "classes": [5, 6, 7, 8, 9]}


@pytest.fixture
def network(tmp_path: Path) -> bytes:
    made = build_network(ModelSpec.model_validate(MODEL), 5, (0.5,), (0.25,), generator(0, "test"))
    save_network(tmp_path / "network.safetensors", made)
    return (tmp_path / "network.safetensors").read_bytes()


def files(settings: Settings) -> list[Path]:
    folders = (settings.artifacts_dir / name for name in ("uploads", INCOMING))
    return sorted(path for folder in folders for path in folder.glob("*"))


def asked(upload_id: str, **changes: Any) -> dict[str, Any]:
    wanted = {"kind": "evaluate", "dataset": FIVE, "network": {"upload": upload_id}, "preset": "smoke"}
    return wanted | changes


def test_an_upload_is_kept_listed_measured_and_deleted(
    client: TestClient, worker: Worker, network: bytes, settings: Settings
) -> None:
    answer = client.post("/uploads", content=network, headers=BINARY)
    assert answer.status_code == 201, answer.text
    kept = answer.json()
    assert answer.headers["location"] == f"/uploads/{kept['id']}"
    assert (kept["size"], kept["sha256"]) == (len(network), hashlib.sha256(network).hexdigest())
    assert kept["architecture"]["model"] == MODEL and kept["architecture"]["classes"] == 5
    assert client.get(f"/uploads/{kept['id']}").json() == kept
    assert client.get("/uploads").json()["data"] == [kept]
    assert [path.read_bytes() for path in files(settings)] == [network]

    job = client.post("/jobs", json=asked(kept["id"])).json()
    assert job["spec"]["network"]["sha256"] == kept["sha256"]
    assert client.delete(f"/uploads/{kept['id']}").status_code == 409
    claim = worker.claim()
    assert claim.network is not None
    assert (settings.artifacts_dir / claim.network).read_bytes() == network
    worker.complete(claim)
    assert client.delete(f"/uploads/{kept['id']}").status_code == 204
    assert client.get("/uploads").json()["data"] == [] and files(settings) == []
    assert client.get(f"/uploads/{kept['id']}").status_code == 404
    assert client.delete(f"/uploads/{kept['id']}").status_code == 404


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", BINARY, 422),
        (b"\x80\x04\x95pickle", BINARY, 422),
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"x", BINARY | {"Content-Encoding": "gzip"}, 415),
    ],
)
def test_what_is_no_network_leaves_no_file(
    client: TestClient, settings: Settings, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/uploads", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert files(settings) == [] and client.get("/uploads").json()["data"] == []
    assert status != 422 or answer.json()["errors"][0]["field"] == "body"


def test_a_body_that_is_too_large_is_cut_off(settings: Settings, network: bytes) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (network[start : start + 500] for start in range(0, len(network), 500))

    with local_client(settings.model_copy(update={"max_upload_bytes": 1024})) as client:
        for content in (network, pieces()):
            answer = client.post("/uploads", content=content, headers=BINARY)
            assert answer.status_code == 413 and "1024" in answer.json()["detail"]
    assert files(settings) == []


def test_an_owner_may_keep_uploads_up_to_the_limit(settings: Settings, network: bytes) -> None:
    with local_client(settings.model_copy(update={"max_uploads_per_owner": 1})) as client:
        assert client.post("/uploads", content=network, headers=BINARY).status_code == 201
        full = client.post("/uploads", content=network, headers=BINARY)
    assert full.status_code == 429 and full.json()["type"] == "/problems/too-many-uploads"
    assert len(files(settings)) == 1


def test_what_another_owner_uploaded_does_not_exist(
    client: TestClient, network: bytes, new_key: Callable[..., dict[str, str]]
) -> None:
    ada, eve, reader = new_key("ada"), new_key("eve"), new_key("ada", "viewer")
    kept = client.post("/uploads", content=network, headers=BINARY | ada).json()["id"]
    assert client.get("/uploads", headers=eve).json()["data"] == []
    for method in ("GET", "DELETE"):
        assert client.request(method, f"/uploads/{kept}", headers=eve).status_code == 404
    for upload in (kept, "0" * 32):
        answer = client.post("/jobs", json=asked(upload), headers=eve)
        assert (
            answer.status_code == 422 and answer.json()["errors"][0]["message"] == "there is no such upload"
        )
    assert client.post("/uploads", content=network, headers=BINARY).status_code == 401
    assert client.post("/uploads", content=network, headers=BINARY | reader).status_code == 403
    assert client.delete(f"/uploads/{kept}", headers=reader).status_code == 403
    assert client.post("/jobs", json=asked(kept), headers=ada).status_code == 201


def test_prune_keeps_young_uploads_and_removes_what_was_left_half_way(
    client: TestClient,
    network: bytes,
    settings: Settings,
    factory: sessionmaker[Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client.post("/uploads", content=network, headers=BINARY)
    (kept,) = files(settings)
    for lost in ("uploads/.incoming-lost", f"{INCOMING}/lost"):  # of an earlier version, and of this one
        (settings.artifacts_dir / lost).write_bytes(b"half")
    monkeypatch.setattr("jobs.files.retention.SETTLED_SECONDS", -1.0)
    assert prune(factory, settings, older_than_days=0.01).uploads == 0
    assert files(settings) == [kept]


def test_prune_removes_old_uploads_that_no_job_refers_to(
    client: TestClient,
    network: bytes,
    settings: Settings,
    factory: sessionmaker[Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobs.files.retention.SETTLED_SECONDS", -1.0)
    used, unused = (client.post("/uploads", content=network, headers=BINARY).json()["id"] for _ in range(2))
    job = client.post("/jobs", json=asked(used)).json()["id"]
    client.post("/jobs", json={"dataset": "digits", "freeze_depth": 2, "preset": "smoke"})
    client.post(f"/jobs/{job}/cancel")
    with factory.begin() as session:
        session.execute(update(Upload).values(created_at=FromNow(-31 * 86_400.0)))

    assert prune(factory, settings, older_than_days=32).uploads == 0
    assert prune(factory, settings, older_than_days=30, dry_run=True).uploads == 1
    assert len(files(settings)) == 2
    gone = prune(factory, settings, older_than_days=30)
    assert (gone.uploads, gone.size) == (1, len(network))
    assert [path.stem for path in files(settings)] == [used], "its job may be retried"
    assert client.get(f"/uploads/{unused}").status_code == 404
    assert client.post("/jobs", json=asked(unused)).status_code == 422
    assert client.post(f"/jobs/{job}/retry").status_code < 300
    assert prune(factory, settings, older_than_days=30).uploads == 0
