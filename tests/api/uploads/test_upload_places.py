"""Limits on uploads hold however many begin at once; a full disk is told as such."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from api.main import create_app
from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from cartl_core.storage.atomic_write import PendingFile
from cartl_core.storage.directory_store import INCOMING
from jobs.database.dialect import FromNow
from jobs.errors import StorageFull, TooManyUploads
from jobs.files.reservations import Reservation, release, reserve, take
from jobs.files.space import is_disk_full
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.tables import UploadReservation
from tests.api.conftest import local_client
from tests.api.serving.conftest import eventually, request, serving

BINARY = {"Content-Type": "application/octet-stream"}
MODEL = {"name": "tiny", "stem_stride": 1, "image_size": 8, "channels": 1}
Factory = sessionmaker[Session]


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def network(tmp_path: Path) -> bytes:
    made = build_network(ModelSpec.model_validate(MODEL), 5, (0.5,), (0.25,), generator(0, "test"))
    save_network(tmp_path / "network.safetensors", made)
    return (tmp_path / "network.safetensors").read_bytes()


def places(factory: Factory) -> list[int]:
    with factory() as session:
        return list(session.scalars(select(UploadReservation.size)))


def test_many_uploads_at_once_over_two_processes_keep_the_limit(
    settings: Settings, network: bytes, factory: Factory
) -> None:
    limited = settings.model_copy(update={"max_uploads_per_owner": 3})
    with ExitStack() as stack, httpx.Client(timeout=120) as client:
        ports = [stack.enter_context(serving(limited)).port for _ in range(2)]

        def post(number: int) -> int:
            url = f"http://127.0.0.1:{ports[number % 2]}/uploads"
            return client.post(url, content=network, headers=BINARY).status_code

        with ThreadPoolExecutor(20) as pool:
            statuses = Counter(pool.map(post, range(40)))
        kept = client.get(f"http://127.0.0.1:{ports[0]}/uploads").json()["data"]
    assert statuses == {201: 3, 429: 37} and len(kept) == 3
    assert len(list((settings.artifacts_dir / "uploads").iterdir())) == 3
    assert places(factory) == []


def test_an_upload_that_broke_off_gives_its_place_back(
    settings: Settings, network: bytes, factory: Factory
) -> None:
    with serving(settings.model_copy(update={"max_uploads_per_owner": 1})) as served:
        url = f"http://127.0.0.1:{served.port}/uploads"
        half = served.connect(request("POST", "/uploads", "Content-Length: 1000") + b"half")
        eventually(lambda: places(factory) == [1000])
        full = httpx.post(url, content=network, headers=BINARY)
        assert full.status_code == 429 and "1 under way" in full.json()["detail"]
        half.close()
        eventually(lambda: places(factory) == [])
        assert httpx.post(url, content=b"no network", headers=BINARY).status_code == 422
        assert places(factory) == []
        assert httpx.post(url, content=network, headers=BINARY).status_code == 201


def test_a_place_that_nobody_renews_goes_to_others(settings: Settings, factory: Factory) -> None:
    one = settings.model_copy(update={"max_uploads_per_owner": 1})
    with factory.begin() as session:
        late = reserve(session, one, "ada", 100)
    with factory.begin() as session, pytest.raises(TooManyUploads):
        reserve(session, one, "ada", 100)
    with factory.begin() as session:
        assert reserve(session, one, "bob", 100).size == 100
        session.execute(
            update(UploadReservation).where(UploadReservation.id == late.id).values(expires_at=FromNow(-1.0))
        )
    with factory.begin() as session:
        reserve(session, one, "ada", 100)
    # The late one would be one too many by now.
    with factory.begin() as session, pytest.raises(TooManyUploads):
        take(session, one, late)


def test_the_bytes_of_an_owner_are_limited(settings: Settings, network: bytes, factory: Factory) -> None:
    size = len(network)
    limited = settings.model_copy(
        update={"max_upload_bytes_per_owner": 2 * size + 10, "max_upload_bytes": 2 * size}
    )

    def pieces() -> Iterator[bytes]:
        yield from (network[start : start + 999] for start in range(0, size, 999))

    with local_client(limited) as client:
        assert client.post("/uploads", content=network, headers=BINARY).status_code == 201
        # Who does not say how much there is to come has what is left.
        assert client.post("/uploads", content=pieces(), headers=BINARY).status_code == 201
        full = client.post("/uploads", content=network, headers=BINARY)
        assert full.status_code == 429 and "10 of" in full.json()["detail"]
        assert client.post("/uploads", content=pieces(), headers=BINARY).status_code == 413
        first = client.get("/uploads").json()["data"][0]["id"]
        assert client.delete(f"/uploads/{first}").status_code == 204
        assert client.post("/uploads", content=network, headers=BINARY).status_code == 201


def test_room_on_the_disk_is_reserved_too(
    settings: Settings, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.files.places.free_bytes", lambda path: settings.min_free_bytes + 1000)
    with factory.begin() as session:
        first = reserve(session, settings, "ada", 600)
    with factory.begin() as session, pytest.raises(StorageFull):
        reserve(session, settings, "bob", 600)
    with factory.begin() as session:
        release(session, first)
        assert isinstance(reserve(session, settings, "bob", 600), Reservation)


def test_a_disk_that_fills_during_an_upload_is_507(
    settings: Settings, network: bytes, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: PendingFile, chunk: bytes) -> None:
        # A device that is always full raises the system's own error.
        with Path("/dev/full").open("wb", buffering=0) as device:
            device.write(chunk)

    monkeypatch.setattr(PendingFile, "write", full)
    with local_client(settings) as client:
        answer = client.post("/uploads", content=network, headers=BINARY)
    assert answer.status_code == 507 and answer.json()["type"] == "/problems/storage-full"
    assert "/dev" not in answer.text and "Errno" not in answer.text
    assert list((settings.artifacts_dir / INCOMING).iterdir()) == [] and places(factory) == []
    assert list(artifact_store(settings).list()) == []


def test_little_room_refuses_uploads_and_is_told(
    settings: Settings, network: bytes, small: dict[str, Any]
) -> None:
    with local_client(settings.model_copy(update={"min_free_bytes": 2**62})) as client:
        answer = client.post("/uploads", content=network, headers=BINARY)
        assert answer.status_code == 507 and answer.json()["type"] == "/problems/storage-full"
        ready = client.get("/readyz").json()
        assert (ready["status"], ready["storage"]) == ("degraded", "low")
        assert client.post("/jobs", json=small).status_code == 201


class Error(Exception):
    """As PostgreSQL's driver tells it."""

    sqlstate = "53100"


def test_a_database_without_room_is_507(
    settings: Settings, small: dict[str, Any], backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings)
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 1)) as client:
        fill(client.app.state.context.engine, backend)  # type: ignore[attr-defined]
        answer = client.post("/jobs", json=small)
        for _ in range(2000):
            if answer.status_code != 201:
                break
            answer = client.post("/jobs", json=small)
        assert answer.status_code == 507, answer.text
        assert answer.json()["type"] == "/problems/storage-full"
        assert "retry-after" in answer.headers
        assert client.get("/jobs").status_code == 200
    assert not any(record.exc_info for record in caplog.records)


def test_sqlite_that_cannot_open_its_files_for_want_of_room_is_507(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started on a full disk, SQLite fails with "disk I/O error"; the API looks for itself."""
    with local_client(settings) as client:
        engine = client.app.state.context.engine  # type: ignore[attr-defined]

        @event.listens_for(engine, "begin")
        def refuse(_: Any) -> None:
            raise OperationalError("BEGIN", {}, Exception("disk I/O error"))

        assert client.get("/jobs").status_code == 503
        monkeypatch.setattr("jobs.files.space.free_bytes", lambda path: 1000)
        found = client.get("/jobs")
        on_this_disk = "sqlite" in settings.database_url
        assert found.status_code == (507 if on_this_disk else 503)
        assert client.get("/readyz").json()["type"] == "/problems/not-ready"


def fill(engine: Engine, backend: str) -> None:
    """Let the database have no more pages than it has; PostgreSQL's error is made by hand."""
    if backend == "sqlite":

        @event.listens_for(engine, "begin")
        def few_pages(connection: Any) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    else:

        @event.listens_for(engine, "before_cursor_execute")
        def refuse(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            if statement.lstrip().startswith("INSERT"):
                raise OperationalError(statement, {}, Error("could not extend file: No space left on device"))


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EDQUOT, "quota"), True),
        (OSError(errno.EACCES, "no"), False),
        (OperationalError("INSERT", {}, Error("full")), True),
        (OperationalError("INSERT", {}, Exception("away")), False),
    ],
    ids=str,
)
def test_what_says_that_a_disk_is_full(error: Exception, full: bool) -> None:
    assert is_disk_full(error) is full
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = error
    assert is_disk_full(wrapped) is full


def test_a_disk_without_room_is_not_ready(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.files.space.free_bytes", lambda path: 1000)
    with local_client(settings) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503 and answer.json()["type"] == "/problems/not-ready"
        assert "artifacts" in answer.json()["detail"]
        assert 'cartl_free_bytes{place="artifacts"} 1000.0' in client.get("/metrics").text


def test_a_full_quota_is_noticed_by_writing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("jobs.files.space.tempfile.TemporaryFile", no_room)
    with local_client(settings) as client:
        assert client.get("/readyz").status_code == 503
