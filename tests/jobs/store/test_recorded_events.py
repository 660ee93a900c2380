"""What a run tells, as the record keeps it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import (
    CheckpointWritten,
    EpochFinished,
    ExportWithheld,
    Finished,
    Progress,
    StageStored,
    Warned,
)
from cartl_core.report import Report
from cartl_core.spec import JobSpec, digest
from jobs import store
from jobs.database.engine import transaction
from jobs.store import Claim
from tests.fixtures.reports import report_event
from tests.jobs.store.test_run import D, Do


def test_what_the_child_tells_is_kept(
    submit: Any, do: Do, claim: Callable[..., Claim], story: Callable[[str], list[str]], spec: JobSpec
) -> None:
    job_id = submit()
    mine = claim()
    epoch = EpochFinished(
        stage="pretrain",
        label="teacher (fdm)",
        digest=D,
        epoch=1,
        epochs=2,
        metrics={"loss": 2.5, "robust_accuracy": 0.25},
    )
    assert do(store.record, mine, epoch) == 3
    job = do(store.find, job_id)
    assert (job.stage, job.stage_label) == ("pretrain", "teacher (fdm)")
    moved = Progress(stage="transfer", label="student (cartl)", fraction=0.5, seconds_left=7.0)
    assert do(store.record, mine, moved) == 3
    job = do(store.find, job_id)
    assert (job.stage_label, job.fraction, job.seconds_left) == ("student (cartl)", 0.5, 7.0)
    report = Report(complete=False, spec=spec, spec_digest=digest(spec))
    assert do(store.record, mine, report_event(report)) == 4
    assert Report.model_validate(do(store.find, job_id).report) == report
    events = do(store.events_after, job_id, 2)
    assert [event.type for event in events] == ["epoch_finished", "report_updated"]
    assert events[0].body["metrics"] == {"loss": 2.5, "robust_accuracy": 0.25}
    assert events[1].body == {"complete": False}
    series = {one.name: one.points for one in do(store.metrics_of, job_id)}
    assert series == {"teacher (fdm)/loss": ((1, 2.5),), "teacher (fdm)/robust_accuracy": ((1, 0.25),)}


def test_an_epoch_done_again_replaces_its_metrics(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    job_id = submit()
    mine = claim()
    for loss in (2.0, 1.0):
        for epoch in (1, 2):
            told = EpochFinished(
                stage="pretrain", label="t", digest=D, epoch=epoch, epochs=2, metrics={"loss": loss * epoch}
            )
            do(store.record, mine, told)
    assert do(store.metrics_of, job_id)[0].points == ((1, 1.0), (2, 2.0))


def test_text_and_numbers_that_databases_refuse(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    job_id = submit()
    mine = claim()
    odd = EpochFinished(
        stage="pretrain",
        label="x" * 300,
        digest=D,
        epoch=1,
        epochs=1,
        metrics={"a": float("nan"), "b": float("inf"), "c": 1.0},
    )
    do(store.record, mine, odd)
    do(store.record, mine, Warned(message="a\x00b \\u0000 c"))
    do(store.fail, mine, "failed", "x\x00y")
    told = do(store.events_after, job_id, 2)
    assert told[0].body["metrics"] == {"a": None, "b": None, "c": 1.0}
    assert told[1].body["message"].startswith("a\ufffdb ")
    assert do(store.find, job_id).message == "x\ufffdy"
    assert [series.points for series in do(store.metrics_of, job_id)] == [((1, 1.0),)]


def test_a_withheld_export_is_told(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    job_id = submit()
    mine = claim()
    withheld = ExportWithheld(name="student.onnx", format="onnx", reason="failed", message="no such operator")
    do(store.record, mine, withheld)
    (told,) = do(store.events_after, job_id, 2)
    assert (told.type, told.body) == ("export_withheld", withheld.model_dump(exclude={"type"}))
    assert do(store.find, job_id).state == "running"


def test_ends_and_stages_are_not_recorded_as_told(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    submit()
    mine = claim()
    for event in (
        Finished(seconds=1.0),
        StageStored(stage="pretrain", digest=D, path="x"),
        CheckpointWritten(stage="pretrain", digest=D, path="x", fraction=0.1),
    ):
        with pytest.raises(ValueError, match=event.type):
            do(store.record, mine, event)


def test_event_numbers_have_no_gaps_under_concurrent_writers(
    factory: sessionmaker[Session],
    submit: Any,
    claim: Callable[..., Claim],
    story: Callable[[str], list[str]],
) -> None:
    """Two supervisors' threads, a person who cancels, and transactions that are rolled back."""
    job_id = submit()
    mine = claim()
    together = threading.Barrier(5)

    def tell(name: str) -> None:
        together.wait(timeout=60)
        for number in range(15):
            with transaction(factory) as session:
                store.record(session, mine, Warned(message=f"{name} {number}"))

    def think_better_of_it() -> None:
        together.wait(timeout=60)
        for _ in range(15):
            session = factory()
            store.record(session, mine, Warned(message="never"))
            session.rollback()
            session.close()

    def cancel() -> None:
        together.wait(timeout=60)
        for _ in range(15):
            with transaction(factory) as session:
                store.request_cancel(session, job_id)

    threads = [threading.Thread(target=tell, args=(name,)) for name in "abc"]
    threads += [threading.Thread(target=think_better_of_it), threading.Thread(target=cancel)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    types = story(job_id)
    assert types.count("warned") == 45
    assert types.count("cancel_requested") == 1
    assert len(types) == 2 + 45 + 1
