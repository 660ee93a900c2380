"""Fixtures of the slot for tasks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.settings import Settings
from tests.fixtures.tasks import Parents, TaskRecord
from tests.worker.task_slot.bench import Bench


@pytest.fixture
def bench(quick: Settings, task_record: TaskRecord, parents: Parents) -> Iterator[Bench]:
    made = Bench(quick, task_record, parents)
    yield made
    made.shutdown.set()
