"""Places for data sets and teachers: limits hold however many come at once; a broken one comes again."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.spec.resources.dataset import NewDataset
from cartl_core.spec.resources.teacher import NewTeacher
from cartl_core.storage.local_pending import LocalPending
from jobs.database.dialect import FromNow
from jobs.errors import NoSpace, NotReceiving, ResourceNotFound, StorageFull, TooManyUploads
from jobs.files.places import forget_expired
from jobs.files.reservations import reserve
from jobs.settings import Settings
from jobs.store.resources.kinds import DATASET, TEACHER
from jobs.store.resources.receiving import announce, begin, break_off, finish, keep
from jobs.tables import Dataset
from tests.api.conftest import local_client
from tests.api.serving.conftest import eventually, request, serving

BINARY = {"Content-Type": "application/octet-stream"}
Factory = sessionmaker[Session]


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def states(factory: Factory) -> list[tuple[str, bool]]:
    with factory() as session:
        rows = session.execute(select(Dataset.state, Dataset.sender))
        return [(state, sender is not None) for state, sender in rows]


def test_many_announcements_at_once_over_two_processes_keep_the_limit(
    settings: Settings, factory: Factory
) -> None:
    limited = settings.model_copy(update={"max_datasets_per_owner": 3})
    with ExitStack() as stack, httpx.Client(timeout=120) as client:
        ports = [stack.enter_context(serving(limited)).port for _ in range(2)]

        def post(number: int) -> int:
            body = {"name": f"set-{number}", "size": 1000}
            return client.post(f"http://127.0.0.1:{ports[number % 2]}/datasets", json=body).status_code

        with ThreadPoolExecutor(20) as pool:
            statuses = Counter(pool.map(post, range(30)))
    assert statuses == {201: 3, 429: 27}
    assert states(factory) == [("receiving", False)] * 3


def test_one_name_announced_at_once_over_two_processes_is_one_data_set(
    settings: Settings, factory: Factory
) -> None:
    with ExitStack() as stack, httpx.Client(timeout=120) as client:
        ports = [stack.enter_context(serving(settings)).port for _ in range(2)]

        def post(number: int) -> tuple[int, str]:
            body = {"name": "same", "size": 1000}
            answer = client.post(f"http://127.0.0.1:{ports[number % 2]}/datasets", json=body)
            return answer.status_code, answer.headers["location"]

        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(post, range(20)))
    assert Counter(status for status, _ in answers) == {201: 1, 200: 19}
    assert len({location for _, location in answers}) == 1 and len(states(factory)) == 1


def test_what_broke_off_is_dropped_and_may_be_sent_again(settings: Settings, factory: Factory) -> None:
    content = bytes(1000)
    with serving(settings) as served:
        base = f"http://127.0.0.1:{served.port}"
        path = httpx.post(f"{base}/datasets", json={"name": "a", "size": 1000}).headers["location"]
        head = request(
            "PUT", f"{path}/content", "Content-Length: 1000", "Content-Type: application/octet-stream"
        )
        half = served.connect(head + b"half")
        eventually(lambda: states(factory) == [("receiving", True)])
        second = httpx.put(f"{base}{path}/content", content=content, headers=BINARY)
        assert (second.status_code, second.json()["type"]) == (409, "/problems/wrong-state")
        assert "another request" in second.json()["detail"]
        half.close()
        eventually(lambda: states(factory) == [("receiving", False)])
        assert [path for path in settings.artifacts_dir.rglob("*") if path.is_file()] == []
        assert httpx.put(f"{base}{path}/content", content=content, headers=BINARY).status_code == 202
    assert states(factory) == [("checking", False)]


def test_a_data_set_that_is_deleted_while_it_is_sent_leaves_nothing(
    settings: Settings, factory: Factory
) -> None:
    with factory.begin() as session:
        announce(session, settings, DATASET, "ann", NewDataset(name="a", size=10))
        sending = begin(session, settings, DATASET, "ann", "a")
    with factory.begin() as session:
        session.delete(session.get_one(Dataset, sending.id))
    for act in (lambda s: keep(s, settings, sending), lambda s: finish(s, sending, "0" * 64)):
        with factory.begin() as session, pytest.raises(ResourceNotFound):
            act(session)


def test_a_sender_that_is_not_heard_of_loses_its_right(settings: Settings, factory: Factory) -> None:
    with factory.begin() as session:
        announce(session, settings, TEACHER, "ann", NewTeacher(name="a", size=10))
        slow = begin(session, settings, TEACHER, "ann", "a")
    with factory.begin() as session, pytest.raises(NotReceiving):
        begin(session, settings, TEACHER, "ann", "a")
    with factory.begin() as session:
        session.execute(update(TEACHER.table).values(sender_expires_at=FromNow(-1.0)))
    with factory.begin() as session:
        quick = begin(session, settings, TEACHER, "ann", "a")
        break_off(session, slow)  # says nothing of the other's
    with factory.begin() as session, pytest.raises(ResourceNotFound):
        finish(session, slow, "0" * 64)
    with factory.begin() as session:
        assert finish(session, quick, "1" * 64).sha256 == "1" * 64


def test_a_place_counts_until_it_expires_and_while_bytes_come(settings: Settings, factory: Factory) -> None:
    one = settings.model_copy(update={"max_datasets_per_owner": 1})

    def expire() -> None:
        with factory.begin() as session:
            session.execute(update(Dataset).values(expires_at=FromNow(-1.0)))

    with factory.begin() as session:
        announce(session, one, DATASET, "ann", NewDataset(name="a", size=10))
        announce(session, one, DATASET, "bob", NewDataset(name="a", size=10))
        sending = begin(session, one, DATASET, "ann", "a")
    expire()
    with factory.begin() as session:
        assert forget_expired(session) == 1
    with factory.begin() as session, pytest.raises(TooManyUploads):
        announce(session, one, DATASET, "ann", NewDataset(name="b", size=10))
    with factory.begin() as session:
        break_off(session, sending)
    with factory.begin() as session:
        announce(session, one, DATASET, "ann", NewDataset(name="b", size=10))


def test_the_bytes_of_an_owner_and_the_room_on_the_disk_are_counted_together(
    settings: Settings, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = settings.model_copy(update={"max_dataset_bytes_per_owner": 2048})
    with factory.begin() as session:
        announce(session, few, DATASET, "ann", NewDataset(name="a", size=1500))
    with factory.begin() as session, pytest.raises(TooManyUploads, match="548 of 2048"):
        announce(session, few, DATASET, "ann", NewDataset(name="b", size=549))
    monkeypatch.setattr("jobs.files.places.free_bytes", lambda path: settings.min_free_bytes + 2000)
    with factory.begin() as session, pytest.raises(NoSpace):
        announce(session, settings, TEACHER, "bob", NewTeacher(name="b", size=501))
    with factory.begin() as session, pytest.raises(StorageFull):
        reserve(session, settings, "bob", 501)
    with factory.begin() as session:
        announce(session, settings, TEACHER, "bob", NewTeacher(name="b", size=500))


def test_little_room_is_told(settings: Settings) -> None:
    with local_client(settings.model_copy(update={"min_free_bytes": 2**62})) as client:
        for path, body in (
            ("/datasets", {"name": "a", "size": 10}),
            ("/teachers", {"name": "a", "size": 10}),
        ):
            answer = client.post(path, json=body)
            assert (answer.status_code, answer.json()["type"]) == (507, "/problems/no-space")


def test_a_disk_that_fills_while_bytes_come_is_told_and_they_may_come_again(
    settings: Settings, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: LocalPending, chunk: bytes) -> None:
        # A device that is always full raises the system's own error.
        with Path("/dev/full").open("wb", buffering=0) as device:
            device.write(chunk)

    with local_client(settings) as client:
        path = client.post("/datasets", json={"name": "a", "size": 10}).headers["location"]
        with monkeypatch.context() as patch:
            patch.setattr(LocalPending, "write", full)
            answer = client.put(f"{path}/content", content=bytes(10), headers=BINARY)
        assert (answer.status_code, answer.json()["type"]) == (507, "/problems/no-space")
        assert "/dev" not in answer.text and "Errno" not in answer.text
        assert states(factory) == [("receiving", False)]
        assert client.put(f"{path}/content", content=bytes(10), headers=BINARY).status_code == 202
