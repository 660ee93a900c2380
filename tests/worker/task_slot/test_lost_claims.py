"""A check whose claim is lost writes nothing, and a late worker replaces nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs.database.engine import transaction
from jobs.files.stores import artifact_store
from jobs.store import lost_tasks, tasks
from jobs.store.tasks import TaskClaim
from tests.fixtures.tasks import KIND, TaskRecord
from tests.worker.task_slot.bench import Bench
from worker.host.identity import is_alive
from worker.task_slot.task_result import Product

Fixture = Any  # fixtures of conftest.py


PACK = "datasets/p1/pack/index.json"


@pytest.fixture
def backend() -> str:
    return "sqlite"


def deleted(record: TaskRecord) -> None:
    with transaction(record.factory) as session:
        tasks.cancel_tasks(session, "p1")


def taken(record: TaskRecord) -> TaskClaim:
    with transaction(record.factory) as session:
        lost_tasks.free_unheld_tasks(session, worker_id="w1", supervisor_pid=7)
    return record.claim("w2")


@pytest.mark.parametrize("lose", [deleted, taken])
def test_a_claim_that_is_lost_ends_the_check_and_writes_nothing(
    bench: Bench, until: Fixture, lose: Callable[[TaskRecord], object]
) -> None:
    bench.record.add()
    bench.order("hangs")
    with transaction(bench.record.factory) as session:
        claim = tasks.claim_task(session, "w1", 45.0, kinds=(KIND,), supervisor_pid=7)
    thread = bench.begin(claim)
    until(lambda: len(bench.pids()) == 2)
    lose(bench.record)
    thread.join(60)
    assert bench.ended == ["lost"]
    assert not any(map(is_alive, bench.pids()))
    assert (bench.parents.results, bench.parents.failures) == ({}, {})
    assert bench.kept() == ["datasets/p1/content"]


def test_a_late_worker_does_not_replace_what_the_next_one_has_made(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It made its files while it held the claim, and comes to name them when it does no more."""
    bench.record.add()
    bench.order("ready")
    make_last = Product.make_last
    store = artifact_store(bench.settings)

    def overtaken(product: Product) -> None:
        monkeypatch.setattr(Product, "make_last", make_last)
        make_last(product)
        next_claim = taken(bench.record)
        bench.order("ready", content="datasets/p1/content2")
        store.put("datasets/p1/content2", b"of the next one")
        assert bench.run(next_claim) == "succeeded"

    with transaction(bench.record.factory) as session:
        claim = tasks.claim_task(session, "w1", 45.0, kinds=(KIND,), supervisor_pid=7)
    monkeypatch.setattr(Product, "make_last", overtaken)
    assert bench.run(claim) == "lost"
    with store.open(PACK) as file:
        assert file.read() == b"of the next one"
