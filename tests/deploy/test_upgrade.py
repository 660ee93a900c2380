"""An upgrade and the way back as docs/how-to/operate.md says, on PostgreSQL, with a job that had ended."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.database.engine import check, downgrade, make_engine, migrate, newest_revision, session_factory
from jobs.errors import DatabaseAhead, DatabaseBehind
from jobs.settings import Settings
from tests.api.conftest import Worker, local_client
from tests.deploy.later_version import UNDECLARED, LaterVersion, after, later_version
from tests.factories import SMALL
from tests.fixtures.documents import ROOT, blocks_of
from tests.fixtures.reports import full_report, report_event

PAGE = ROOT / "docs/how-to/operate.md"
COMMAND = re.compile(r"`(python -m jobs \w+ \d+)`")


@pytest.fixture
def settings(new_postgres_database: str, tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(data_dir=tmp_path / "data", database_url=new_postgres_database)
    settings.make_directories()
    engine = make_engine(settings)
    migrate(engine)
    engine.dispose()
    yield settings


def post(client: Any) -> str:
    answer = client.post("/jobs", json=SMALL)
    assert answer.status_code == 201, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def finish(settings: Settings, job_id: str) -> None:
    engine = make_engine(settings)
    worker = Worker(session_factory(engine), settings)
    claim = worker.claim()
    assert claim.job_id == job_id
    worker.tell(claim, report_event(full_report()))
    worker.write(claim, "report.md", b"# found", "text/markdown")
    worker.complete(claim)
    engine.dispose()


def report_of(client: Any, job_id: str) -> tuple[dict[str, Any], bytes]:
    told = client.get(f"/jobs/{job_id}/robustness")
    file = client.get(f"/jobs/{job_id}/artifacts/report.md")
    assert (told.status_code, file.status_code) == (200, 200)
    return told.json(), file.content


def go_back(later: LaterVersion, named: str) -> None:
    """The page's block, with the migration that the earlier version has named."""
    (block,) = (one for one in blocks_of(PAGE) if one.text.startswith("python -m jobs downgrade"))
    command = re.sub(r"\d+", named, block.text)
    path = f"{Path(sys.executable).parent}:{later.environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=later.folder,
        env={**later.environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def named_by_the_earlier_version(settings: Settings) -> str:
    """The migration in the words with which this version refuses the database."""
    engine = make_engine(settings)
    with pytest.raises(DatabaseAhead) as refused:
        check(engine)
    engine.dispose()
    command = COMMAND.search(str(refused.value))
    assert command is not None
    return command[1].split()[-1]


def test_a_job_outlives_an_upgrade_and_the_way_back(settings: Settings, tmp_path: Path) -> None:
    with local_client(settings) as client:
        ended = post(client)
        finish(settings, ended)
        before = report_of(client, ended)
    later = later_version(tmp_path / "later", settings, UNDECLARED)
    told = later.run("-m", "jobs", "check", code=1)
    assert f"this version needs {after(1)}" in told and "must be stopped first" in told
    assert later.run("-m", "jobs", "migrate") == f"The database is at migration {after(1)}.\n"
    with later.serving() as upgraded:
        assert report_of(upgraded, ended) == before
        waiting = post(upgraded)
    assert_refused(settings)
    go_back(later, named_by_the_earlier_version(settings))
    with local_client(settings) as client:
        assert client.get("/readyz").json()["database"] == "ok"
        assert report_of(client, ended) == before
        finish(settings, waiting)
        assert client.get(f"/jobs/{waiting}").json()["state"] == "succeeded"
    down_and_up(settings, ended, before)


def assert_refused(settings: Settings) -> None:
    with local_client(settings) as client:
        answer = client.post("/jobs", json=SMALL)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/not-ready")


def down_and_up(settings: Settings, job_id: str, report: tuple[dict[str, Any], bytes]) -> None:
    """The newest migration that there really is, with jobs in the database."""
    engine = make_engine(settings)
    downgrade(engine, after(-1))
    with pytest.raises(DatabaseBehind, match=f"a version of migration {after(-1)} must be stopped first"):
        check(engine)
    assert migrate(engine).revision == newest_revision()
    engine.dispose()
    with local_client(settings) as client:
        assert report_of(client, job_id) == report
