"""Places that nobody filled go, and what was rejected; what may be used stays, with its bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.spec.resources.dataset import NewDataset
from jobs.database.dialect import FromNow
from jobs.files.retention import Pruned
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.store.resources.kinds import DATASET
from jobs.store.resources.receiving import announce, begin, finish
from jobs.store.resources.record import apply_failure
from jobs.tables import Dataset

Factory = sessionmaker[Session]
ThrowAway = Callable[..., Pruned]
DAY = 86_400.0


@pytest.fixture
def send(settings: Settings, factory: Factory) -> Callable[[str], str]:
    def run(name: str) -> str:
        with factory.begin() as session:
            announce(session, settings, DATASET, "ann", NewDataset(name=name, size=4))
            sending = begin(session, settings, DATASET, "ann", name)
            finish(session, sending, "0" * 64)
        artifact_store(settings).put(sending.key, b"1234")
        return sending.id

    return run


@pytest.fixture
def age(factory: Factory) -> Callable[[str, float], None]:
    def run(dataset_id: str, days: float) -> None:
        with factory.begin() as session:
            aged = update(Dataset).where(Dataset.id == dataset_id)
            session.execute(aged.values(updated_at=FromNow(-DAY * days)))

    return run


def reject(factory: Factory, dataset_id: str) -> None:
    with factory.begin() as session:
        assert apply_failure(session, "check_dataset", dataset_id, "unreadable", "no archive")


def files(settings: Settings) -> list[Path]:
    return [path for path in settings.artifacts_dir.rglob("*") if path.is_file()]


def test_what_may_be_used_stays_however_old(
    send: Callable[[str], str], age: Callable[[str, float], None], throw_away: ThrowAway, settings: Settings
) -> None:
    age(send("kept"), 400)
    assert throw_away().resources == 0
    assert [path.read_bytes() for path in files(settings)] == [b"1234"]


def test_bytes_of_the_rejected_go_after_a_day_and_the_row_after_retention(
    send: Callable[[str], str],
    age: Callable[[str, float], None],
    throw_away: ThrowAway,
    settings: Settings,
    factory: Factory,
) -> None:
    dataset_id = send("bad")
    reject(factory, dataset_id)
    assert throw_away().size == 0 and len(files(settings)) == 1
    age(dataset_id, 2)
    assert throw_away(dry_run=True).size == 4 and len(files(settings)) == 1
    assert (throw_away().size, files(settings)) == (4, [])
    with factory() as session:
        row = session.get_one(Dataset, dataset_id)
        assert (row.reason, row.content, row.size) == ("unreadable", None, 0)
    age(dataset_id, 31)
    assert throw_away().resources == 1
    with factory() as session:
        assert session.get(Dataset, dataset_id) is None


def test_places_that_expired_and_bytes_without_a_row_go(
    throw_away: ThrowAway, settings: Settings, factory: Factory
) -> None:
    with factory.begin() as session:
        announce(session, settings, DATASET, "ann", NewDataset(name="a", size=4))
        announce(session, settings, DATASET, "ann", NewDataset(name="b", size=4))
        session.execute(update(Dataset).where(Dataset.name == "a").values(expires_at=FromNow(-1.0)))
    artifact_store(settings).put("datasets/nobody/content", b"123456")
    gone = throw_away()
    assert (gone.resources, gone.size, files(settings)) == (1, 6, [])
    with factory() as session:
        assert [row.name for row in session.query(Dataset)] == ["b"]
