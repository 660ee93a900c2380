"""One task with a scripted check, against a real database: what is kept, tried again, ended."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from jobs.database.engine import transaction
from jobs.files.stores import artifact_store, task_directory
from jobs.store import task_handlers, tasks
from jobs.store.task_handlers import TaskHandler
from jobs.store.tasks import TaskClaim
from tests.worker.task_slot.bench import Bench
from worker.host.identity import is_alive
from worker.task_slot.task_supervisor import LOG_BYTES

Fixture = Any  # fixtures of conftest.py
FAKE_CHECK = Path(__file__).parents[1] / "fake_check.py"
PACK = "datasets/p1/pack/index.json"


@pytest.fixture
def backend() -> str:
    return "sqlite"


def test_what_a_check_has_made_is_kept_with_its_result_and_nothing_else_is_left(bench: Bench) -> None:
    task_id = bench.record.add()
    bench.order("ready")
    assert bench.run() == "succeeded"
    assert bench.parents.results["p1"]["state"] == "ready"
    assert bench.kept() == ["datasets/p1/content", PACK]
    with artifact_store(bench.settings).open(PACK) as file:
        assert file.read() == b"the content"
    assert bench.record.row(task_id).state == "succeeded"
    left = sorted(path.name for path in task_directory(bench.settings, task_id).iterdir())
    assert left == ["attempt-1.log"]


def test_a_rejection_is_a_result_without_files(bench: Bench) -> None:
    bench.record.add()
    bench.order("rejected")
    assert bench.run() == "succeeded"
    assert bench.parents.results["p1"]["reason"] == "too_few_images"
    assert bench.kept() == ["datasets/p1/content"]


def test_a_check_gets_one_thread_a_low_priority_a_group_of_its_own_and_no_settings(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARTL_DATABASE_URL", "postgresql://user:secret@host/db")
    bench.record.add()
    bench.order("facts")
    before = os.nice(0)
    assert bench.run() == "succeeded"
    facts = json.loads(bench.parents.results["p1"]["message"])
    assert set(facts["threads"].values()) == {"1"}
    assert "OMP_NUM_THREADS" in facts["threads"]
    assert facts["nice"] == min(before + 10, 19)
    assert (facts["settings"], facts["group"]) == ([], True)
    content = bench.settings.artifacts_dir / "datasets/p1/content"
    assert facts["arguments"][0] == "check-dataset"
    assert facts["arguments"][facts["arguments"].index("--content") + 1] == str(content)


def test_a_folder_of_the_server_is_named_instead_of_content(bench: Bench) -> None:
    bench.record.add()
    bench.order("ready", content=None, root="/srv/images")
    assert bench.run() == "succeeded"
    with artifact_store(bench.settings).open(PACK) as file:
        assert file.read() == b"/srv/images"


def test_a_teacher_is_verified_on_a_pack_and_its_network_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, told = "verify_teacher", bench.parents
    monkeypatch.setitem(task_handlers.HANDLERS, kind, TaskHandler(told.order, told.succeed, told.fail))
    store = artifact_store(bench.settings)
    store.put("datasets/d1/pack/index.json", b"{}")
    bench.record.add(kind=kind)
    verify = {"dataset": "own", "id": "d1", "pack": "datasets/d1/pack"}
    bench.order("ready", verify=verify)
    with transaction(bench.record.factory) as session:
        claim = tasks.claim_task(session, "w1", 45.0, kinds=(kind,))
    assert bench.run(claim) == "succeeded"
    with store.open("teachers/p1/network.safetensors") as file:
        assert file.read() == b"the content"


FRUITLESS = (
    ("fails", "the process failed"),
    ("nothing", "left no result"),
    ("no_json", "cannot be read"),
    ("endless", "cannot be read"),
    ("no_object", "no object"),
    ("no_state", "not one that this worker understands"),
    ("no_pack", "left no pack"),
    ("linked", "not one that this worker understands"),
)


@pytest.mark.parametrize(("play", "words"), FRUITLESS)
def test_an_attempt_without_a_result_that_counts_is_one_of_three_and_keeps_nothing(
    bench: Bench, play: str, words: str
) -> None:
    task_id = bench.record.add()
    bench.order(play)
    assert bench.run() == "queued"
    row = bench.record.row(task_id)
    assert (row.state, row.attempts, row.reason) == ("queued", 1, "check_failed")
    assert row.message is not None and words in row.message
    assert bench.kept() == ["datasets/p1/content"]


def test_after_three_attempts_the_parent_is_told_why(bench: Bench) -> None:
    task_id = bench.record.add()
    bench.order("fails")
    assert [bench.run() for _ in range(3)] == ["queued", "queued", "failed"]
    reason, words = bench.parents.failures["p1"]
    assert reason == "check_failed"
    assert "3 times" in words
    logs = sorted(path.name for path in task_directory(bench.settings, task_id).glob("*.log"))
    assert logs == ["attempt-1.log", "attempt-2.log", "attempt-3.log"]
    assert "stumble" in (task_directory(bench.settings, task_id) / "attempt-3.log").read_text()


def test_a_check_that_is_killed_is_tried_again_and_may_succeed(bench: Bench) -> None:
    bench.record.add()
    bench.order("killed_twice")
    assert [bench.run() for _ in range(3)] == ["queued", "queued", "succeeded"]
    assert bench.kept() == ["datasets/p1/content", PACK]


def test_what_cannot_be_done_is_not_tried(bench: Bench) -> None:
    bench.record.add()
    assert bench.run() == "failed"
    assert bench.parents.failures["p1"] == ("order_refused", "there is nothing to check it with")


def test_a_check_whose_content_is_gone_fails_in_words_without_paths(bench: Bench) -> None:
    task_id = bench.record.add()
    bench.order("ready", content="datasets/p1/other")
    assert bench.run() == "queued"
    message = bench.record.row(task_id).message
    assert message is not None and str(bench.settings.data_dir) not in message


def test_a_check_that_takes_too_much_memory_is_ended_and_not_tried_again(bench: Bench) -> None:
    bench.record.add()
    bench.order("swallows_memory")
    assert bench.run(memory_bytes=200 * 1024**2) == "failed"
    reason, words = bench.parents.failures["p1"]
    assert (reason, "allowed" in words) == ("out_of_memory", True)


def test_a_check_that_takes_too_long_is_ended(bench: Bench) -> None:
    bench.record.add()
    bench.order("hangs")
    assert bench.run(timeout_seconds=0.5) == "failed"
    assert bench.parents.failures["p1"][0] == "timeout"


def test_a_log_is_bounded(bench: Bench) -> None:
    task_id = bench.record.add()
    bench.order("chatters")
    assert bench.run() == "succeeded"
    log = task_directory(bench.settings, task_id) / "attempt-1.log"
    assert LOG_BYTES / 2 < log.stat().st_size < 1.1 * LOG_BYTES + 100_000


def test_how_far_a_check_is_stands_in_its_row(bench: Bench, until: Fixture) -> None:
    task_id = bench.record.add()
    bench.order("hangs")
    thread = bench.begin()
    until(lambda: bench.record.row(task_id).fraction == 0.25)
    bench.shutdown.set()
    thread.join(60)
    assert bench.record.row(task_id).fraction == 0.0


def test_a_shutdown_ends_the_check_with_its_family_and_costs_no_attempt(bench: Bench, until: Fixture) -> None:
    task_id = bench.record.add()
    bench.order("hangs")
    thread = bench.begin()
    until(lambda: len(bench.pids()) == 2)
    bench.shutdown.set()
    thread.join(60)
    assert bench.ended == ["queued"]
    assert not any(map(is_alive, bench.pids()))
    row = bench.record.row(task_id)
    assert (row.state, row.attempts) == ("queued", 0)


def test_files_that_an_earlier_claim_has_named_and_not_written_down_are_replaced(bench: Bench) -> None:
    store = artifact_store(bench.settings)
    store.put(PACK, b"of a claim whose commit failed")
    store.put("datasets/p1/pack/more", b"1")
    bench.record.add()
    bench.order("ready")
    assert bench.run() == "succeeded"
    assert bench.kept() == ["datasets/p1/content", PACK]


def test_an_end_whose_commit_seemed_to_fail_is_written_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction around the naming is repeated: what was named stays."""
    bench.record.add()
    bench.order("ready")
    finish = tasks.finish_task
    tries: list[int] = []

    def fails_once(session: Session, claim: TaskClaim, *arguments: Any) -> bool:
        tries.append(1)
        there = finish(session, claim, *arguments)
        if len(tries) == 1:
            raise OperationalError("COMMIT", {}, ConnectionResetError())
        return there

    monkeypatch.setattr(tasks, "finish_task", fails_once)
    assert bench.run() == "succeeded"
    assert len(tries) == 2
    assert bench.kept() == ["datasets/p1/content", PACK]
