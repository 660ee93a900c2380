"""What must not be said, whatever is asked and however much is logged: keys and passwords."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from jobs import logs
from jobs.database.engine import make_engine
from jobs.queue import make_celery, notify_workers
from jobs.settings import Settings
from tests.api.conftest import local_client

DATABASE_PASSWORD, BROKER_PASSWORD = "database-pass-7c1f", "broker-pass-51aa"


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """Everything that is logged, down to DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Json())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel("DEBUG")
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def test_keys_are_neither_logged_nor_told_again(
    settings: Settings, new_key: Any, small: dict[str, Any], said: io.StringIO
) -> None:
    admin = new_key("root", "operator")
    wrong = {"Authorization": admin["Authorization"][:-4] + "wxyz"}
    told = []
    with local_client(settings, raise_server_exceptions=False) as client:
        made = client.post("/keys", json={"owner": "ada"}, headers=admin).json()["secret"]
        ada = {"Authorization": f"Bearer {made}"}
        for headers in (
            admin,
            ada,
            wrong,
            {"Authorization": admin["Authorization"].replace("Bearer", "Basic")},
        ):
            told += [
                client.get(path, headers=headers).text for path in ("/jobs", "/keys", "/metrics", "/jobs/0")
            ]
            told.append(client.post("/jobs", json=small, headers=headers).text)
        engine = make_engine(settings)
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE idempotency_keys"))
        broken = client.post("/jobs", json=small, headers={**ada, "Idempotency-Key": "k"})
        assert broken.status_code >= 500
        told.append(broken.text)
    everything = said.getvalue() + "\n".join(told)
    assert '"level": "WARNING"' in everything
    for header in (admin, ada, wrong):
        secret = header["Authorization"].split()[-1].split("_", 2)[2]
        assert len(secret) >= 43
        assert secret not in everything


def test_passwords_of_database_and_broker_are_not_told(
    settings: Settings, small: dict[str, Any], said: io.StringIO
) -> None:
    away = settings.model_copy(update={"broker_url": f"redis://:{BROKER_PASSWORD}@127.0.0.1:9/0"})
    told = [repr(away), str(away)]
    with local_client(away) as client:
        told += [
            client.post("/jobs", json=small).text,
            client.get("/readyz").text,
            client.get("/metrics").text,
        ]
    assert not notify_workers(make_celery(away))
    lost = settings.model_copy(
        update={"database_url": f"postgresql://cartl:{DATABASE_PASSWORD}@127.0.0.1:9/cartl"}
    )
    told += [repr(lost), str(lost)]
    with local_client(lost, raise_server_exceptions=False) as client:
        told += [client.get(path).text for path in ("/jobs", "/readyz", "/metrics")]
    everything = said.getvalue() + "\n".join(told)
    assert "the workers were not notified" in everything
    assert "the database did not answer" in everything
    assert DATABASE_PASSWORD not in everything
    assert BROKER_PASSWORD not in everything
