"""`python -m jobs check --worker`: the healthcheck of a worker's container."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from jobs.database.engine import make_engine, session_factory, transaction
from jobs.devices import ONE_CPU, slots_on
from jobs.settings import Settings
from jobs.store import worker_started, worker_stopped


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTL_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("CARTL_DATABASE_URL", raising=False)
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0


def check() -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", "--worker"])
    return result.exit_code, result.stdout


def start_worker(host: str) -> None:
    with transaction(session_factory(make_engine(Settings.from_env()))) as session:
        worker_started(session, worker_id="w", host=host, pid=1, slots=slots_on(ONE_CPU, 1), version="0")


def test_a_worker_of_another_host_does_not_count() -> None:
    start_worker("elsewhere")
    code, said = check()
    assert code == 1 and "none on" in said


def test_a_worker_is_alive_by_its_heartbeat_only(tmp_path: Path) -> None:
    start_worker(socket.gethostname())
    assert check()[0] == 0
    with sqlite3.connect(tmp_path / "cartl.sqlite3") as connection:
        connection.execute("UPDATE workers SET heartbeat_at = '2020-01-01 00:00:00.000000'")
    connection.close()
    assert check()[0] == 1


def test_a_worker_that_said_goodbye_is_not_alive() -> None:
    start_worker(socket.gethostname())
    with transaction(session_factory(make_engine(Settings.from_env()))) as session:
        worker_stopped(session, "w")
    assert check()[0] == 1
