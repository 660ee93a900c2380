"""Data sets and teachers that tests announce and send."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from jobs.settings import Settings
from jobs.store.resources.record import apply_result
from jobs.tables import Task
from tests.factories import found_dataset

BINARY = {"Content-Type": "application/octet-stream"}
CONTENT = b"PK" + bytes(998)
NEW: dict[str, dict[str, Any]] = {
    "datasets": {"name": "flowers", "size": len(CONTENT)},
    "teachers": {"name": "strong", "size": len(CONTENT), "normalisation": "none"},
}
KINDS = sorted(NEW)
Factory = sessionmaker[Session]


def announce(client: TestClient, kind: str, headers: dict[str, str] | None = None, **changes: Any) -> str:
    answer = client.post(f"/{kind}", json=NEW[kind] | changes, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def send(
    client: TestClient, path: str, content: bytes = CONTENT, headers: dict[str, str] | None = None
) -> Any:
    return client.put(f"{path}/content", content=content, headers=BINARY | (headers or {}))


def kept(settings: Settings, kind: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((settings.artifacts_dir / kind).glob("*/*"))]


def tasks(factory: Factory) -> list[tuple[str, str]]:
    with factory() as session:
        return [(kind, parent) for kind, parent in session.execute(select(Task.kind, Task.parent_id))]


def accept_dataset(factory: Factory, path: str) -> None:
    result = {"state": "ready", "found": found_dataset().model_dump(mode="json")}
    with factory.begin() as session:
        assert apply_result(session, "check_dataset", path.rsplit("/", 1)[-1], result)
