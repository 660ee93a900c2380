"""Quota of queued jobs: not counted for every job far from the limit, exact close to it; a flood of jobs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker

from api.deps import NOTIFY_BURST
from api.http.quota import MARGIN, SECONDS, QueueQuota
from api.http.rate_limit import Bucket
from jobs import store
from jobs.database.engine import transaction
from jobs.errors import TooManyJobs
from jobs.quotas import Limits
from jobs.settings import Settings
from tests.api.conftest import local_client
from tests.factories import SMALL, add_job

STORED = ["api_keys", "jobs", "job_events", "audit_log"]
SHOWN = ["api_keys", "jobs", "jobs"]
"""The tables of the statements that store a job, and that show it."""


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def submit(factory: sessionmaker[Session], quota: QueueQuota, owner: str = "ada") -> None:
    with transaction(factory) as session:
        quota.take(session, owner)
        add_job(session, owner)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The owners whose jobs were counted in SQL."""
    asked: list[str] = []
    real = store.remaining_quota

    def remaining_quota(session: Session, owner: str, limits: Limits) -> int:
        asked.append(owner)
        return real(session, owner, limits)

    monkeypatch.setattr(store, "remaining_quota", remaining_quota)
    return asked


def test_far_from_the_limit_one_count_serves_a_while(
    factory: sessionmaker[Session], counted: list[str]
) -> None:
    clock = Clock()
    quota = QueueQuota(Limits(queued=MARGIN + 5), clock)
    for _ in range(4):
        submit(factory, quota)
    assert counted == ["ada"]
    clock.now += SECONDS
    submit(factory, quota)
    submit(factory, quota, "bob")
    assert counted == ["ada", "ada", "bob"]


def test_close_to_the_limit_every_job_is_counted(factory: sessionmaker[Session], counted: list[str]) -> None:
    quota = QueueQuota(Limits(queued=3), Clock())
    for _ in range(3):
        submit(factory, quota)
    with pytest.raises(TooManyJobs):
        submit(factory, quota)
    assert counted == ["ada"] * 4
    submit(factory, quota, "bob")


def test_the_margin_is_counted_too(factory: sessionmaker[Session], counted: list[str]) -> None:
    quota = QueueQuota(Limits(queued=MARGIN + 2), Clock())
    for _ in range(4):
        submit(factory, quota)
    assert counted == ["ada"] * 3  # the first left MARGIN + 1, the second took it without a count


def test_a_flood_of_jobs_notifies_a_few_times(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    notified: list[Any] = []
    monkeypatch.setattr("api.deps.notify_workers", lambda app, job_id: notified.append(job_id))
    with local_client(settings) as client:
        app = client.app
        assert isinstance(app, FastAPI)
        app.state.context.notify_bucket._clock = lambda: 0.0
        app.state.context.notify_bucket._at = 0.0
        made = [client.post("/jobs", json=SMALL).json()["id"] for _ in range(NOTIFY_BURST + 4)]
    assert notified == made[:NOTIFY_BURST]


def test_a_bucket_tells_when_the_next_token_comes() -> None:
    clock = Clock()
    bucket = Bucket(rate=4.0, burst=1, clock=clock)
    assert bucket.take() and not bucket.take()
    assert bucket.wait == pytest.approx(0.25)
    clock.now += 0.25
    assert bucket.take() and not bucket.take()


def test_a_job_is_stored_and_shown_by_few_statements(settings: Settings, new_key: Any) -> None:
    """Key, job, event and audit log; key, job and place. Each costs a tenth of the pace."""
    key, sent = new_key(), list[str]()
    with local_client(settings) as client:
        path = client.post("/jobs", json=SMALL, headers=key).json()["links"]["self"]
        app = client.app
        assert isinstance(app, FastAPI)
        context = app.state.context
        context.key_uses.close()
        # What is looked at once a second is not looked at again, however slow this machine is.
        context.quota._clock = context.version_guard._clock = lambda: 0.0
        event.listen(context.engine, "before_cursor_execute", lambda *told: sent.append(told[2]))
        for method, asked, tables in (("POST", "/jobs", STORED), ("GET", path, SHOWN)):
            sent.clear()
            assert client.request(method, asked, json=SMALL, headers=key).is_success
            read = [one for one in sent if not one.startswith("BEGIN")]
            assert [re.findall(r"(?:FROM|INTO) (\w+)", one)[0] for one in read] == tables


def test_a_request_for_a_job_takes_one_connection_once(settings: Settings) -> None:
    with local_client(settings) as client:
        path = client.post("/jobs", json=SMALL).json()["links"]["self"]
        taken: list[object] = []
        app = client.app
        assert isinstance(app, FastAPI)
        event.listen(app.state.context.engine, "checkout", lambda *_: taken.append(_))
        for asked in (path, f"{path}/robustness"):
            taken.clear()
            assert client.get(asked).status_code == 200
            assert len(taken) == 1, asked
