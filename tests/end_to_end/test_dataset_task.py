"""From the last byte of a data set to its pack: the record, the slot for tasks and the real check."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.data.packed import Pack, fingerprint_of
from cartl_core.spec.resources.dataset import FoundDataset, NewDataset
from jobs.database.engine import reading, transaction
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.store import tasks
from jobs.store.resources.kinds import DATASET, PACK
from jobs.store.resources.receiving import announce, begin, finish
from jobs.tables import Dataset
from tests.fixtures.tasks import KIND
from tests.fixtures.workers import Worker
from worker.task_slot.task_supervisor import TaskContext, TaskSupervisor

pytestmark = pytest.mark.usefixtures("forked_starts")


@pytest.fixture
def backend() -> str:
    return "sqlite"


def archive() -> bytes:
    """Three classes of twelve images each, and a file that is none."""
    draw = np.random.default_rng(0)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        for label in ("ash", "birch", "cedar"):
            for number in range(12):
                image = io.BytesIO()
                Image.fromarray(draw.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(image, "PNG")
                file.writestr(f"trees/{label}/{number}.png", image.getvalue())
        file.writestr("trees/ash/notes.txt", "no image")
    return written.getvalue()


def sent(settings: Settings, factory: sessionmaker[Session], content: bytes) -> str:
    """A data set whose last byte is here; its id."""
    with transaction(factory) as session:
        announce(session, settings, DATASET, "ann", NewDataset(name="trees", size=len(content)))
    with transaction(factory) as session:
        sending = begin(session, settings, DATASET, "ann", "trees")
    stat = artifact_store(settings).put(sending.key, content)
    with transaction(factory) as session:
        return finish(session, sending, stat.sha256).id


def row_of(factory: sessionmaker[Session], dataset_id: str) -> Dataset:
    with reading(factory) as session:
        return session.get_one(Dataset, dataset_id)


def checked(settings: Settings, factory: sessionmaker[Session], content: bytes) -> Dataset:
    """A data set of these bytes, after its task."""
    dataset_id = sent(settings, factory, content)
    with transaction(factory) as session:
        claim = tasks.claim_task(session, "w1", 45.0, kinds=(KIND,))
    assert claim is not None
    assert TaskSupervisor(TaskContext(settings, factory, lambda: False), claim).run() == "succeeded"
    return row_of(factory, dataset_id)


def test_an_archive_becomes_a_pack(settings: Settings, factory: sessionmaker[Session]) -> None:
    row = checked(settings, factory, archive())
    assert (row.state, row.reason) == ("ready", None)
    found = FoundDataset.model_validate(row.found, strict=False)
    assert found.classes == ("ash", "birch", "cedar")
    assert (found.report.taken, found.report.skipped_by_reason) != (0, {})
    with artifact_store(settings).local_copy(DATASET.key(row.id, PACK)) as path:
        assert fingerprint_of(found.classes, Pack.open(path).index) == found.fingerprint


def test_bytes_that_are_no_data_set_are_rejected_with_a_reason_and_leave_no_pack(
    settings: Settings, factory: sessionmaker[Session]
) -> None:
    row = checked(settings, factory, b"no archive at all " * 100)
    assert (row.state, row.found) == ("rejected", None)
    assert row.reason is not None and row.message
    assert list(artifact_store(settings).list(f"datasets/{row.id}")) == [DATASET.key(row.id)]


def test_a_real_worker_checks_it(
    quick: Settings,
    factory: sessionmaker[Session],
    start_worker: Callable[..., Worker],
    until: Callable[..., None],
) -> None:
    dataset_id = sent(quick, factory, archive())
    start_worker()
    until(lambda: row_of(factory, dataset_id).state != "checking")
    assert row_of(factory, dataset_id).state == "ready"
    assert artifact_store(quick).exists(DATASET.key(dataset_id, PACK))
