"""The loop of a tracker, with trackers that fail, hang, and come back; and the reading of the record."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.engine import reading, transaction
from jobs.errors import SettingsInvalid
from jobs.settings import Settings
from jobs.state import JobState
from jobs.tables import Job, TrackedJob
from tests.factories import make_spec
from tests.worker.sinks.conftest import Story
from worker.sinks import switched_on as switches
from worker.sinks.batches import NAME_LENGTH, VALUE_LENGTH, parameters_of, plain_name
from worker.sinks.switched_on import check_packages, sink_processes, switched_on
from worker.sinks.tracking import _shortly, track, track_once
from worker.sinks.values import Batch
from worker.sinks.watchdog import Watchdog

Fixture = Any  # fixtures of conftest.py
LONG = 300.0


@dataclass
class Taking:
    """A tracker that keeps its batches in a list."""

    batches: list[Batch] = field(default_factory=list)
    failures: int = 0
    closed: int = 0

    def take(self, batch: Batch) -> str:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("https://me:secret@host.example is away")
        self.batches.append(batch)
        return "its own id"

    def close(self) -> None:
        self.closed += 1


def hear(context: Any, tracker: Any) -> int:
    return track_once(context, "mlflow", tracker, Watchdog(LONG))


def tracked(factory: sessionmaker[Session], job_id: str) -> TrackedJob:
    with reading(factory) as session:
        return session.get_one(TrackedJob, ("mlflow", job_id))


def test_a_tracker_hears_each_event_once_and_the_end(
    make_context: Fixture, story: Callable[..., Story]
) -> None:
    told, tracker, context = story("mlflow"), Taking(), make_context()
    told.epochs(1)
    hear(context, tracker)
    told.epochs(2)
    told.attack()
    told.write("report.md", b"# robust")
    told.complete()
    hear(context, tracker)
    first, last = tracker.batches
    assert (first.first, first.claimed, first.whole, first.run) == (True, True, False, None)
    assert (last.first, last.claimed, last.whole, last.run) == (False, False, True, "its own id")
    assert [point.path for point in first.points] == ["teacher_fdm/loss", "teacher_fdm/robust_accuracy"]
    assert [(point.path, point.step) for point in last.points][-1] == ("robustness/student/pgd20", None)
    assert [file.name for file in last.files] == ["report.md"] and first.files == ()
    assert (first.state, last.state) == (JobState.RUNNING, JobState.SUCCEEDED)
    assert hear(context, tracker) == 0


def test_a_tracker_that_fails_is_tried_again_later_and_misses_nothing(
    make_context: Fixture, story: Callable[..., Story], factory: sessionmaker[Session], caplog: Any
) -> None:
    told, tracker, context = story("mlflow"), Taking(failures=1), make_context()
    told.epochs(1)
    assert hear(context, tracker) == 0 and "ConnectionError" in caplog.text
    assert "secret" not in caplog.text
    assert hear(context, tracker) == 0 and tracker.batches == [], "not before its time"
    assert tracked(factory, told.job_id).failures == 1
    told.epochs(2)
    told.hurry()
    assert hear(context, tracker) == 1
    assert [point.step for point in tracker.batches[0].points] == [1, 1, 2, 2]
    assert tracked(factory, told.job_id).failures == 0


def test_one_job_that_a_tracker_refuses_holds_up_no_other(
    make_context: Fixture, story: Callable[..., Story]
) -> None:
    refused, taken = story("mlflow", name="refused"), story("mlflow", name="taken")

    class Choosy(Taking):
        def take(self, batch: Batch) -> str:
            if batch.job_id == refused.job_id:
                raise ValueError
            return super().take(batch)

    tracker = Choosy()
    assert hear(make_context(), tracker) == 1
    assert [batch.job_id for batch in tracker.batches] == [taken.job_id]


def test_a_tracker_that_hangs_ends_its_process_and_the_next_one_goes_on(
    make_context: Fixture, story: Callable[..., Story], factory: sessionmaker[Session]
) -> None:
    told, hanging, ended = story("mlflow"), threading.Event(), threading.Event()
    told.epochs(1)

    class Hanging(Taking):
        def take(self, batch: Batch) -> str:
            hanging.wait(LONG)
            raise SystemExit  # what the end of the process would be

    def end() -> None:
        ended.set()
        hanging.set()

    context = make_context()
    with pytest.raises(SystemExit):
        track_once(context, "mlflow", Hanging(), Watchdog(0.05, end))
    assert ended.is_set()
    assert tracked(factory, told.job_id).failures == 1, "counted before it began"
    told.complete()
    told.hurry()
    tracker = Taking()
    assert hear(context, tracker) == 1 and tracker.batches[0].whole


def test_a_watchdog_gives_each_part_its_time_and_lets_go_afterwards() -> None:
    started: list[threading.Timer] = []

    def timer(seconds: float, bark: Callable[[], None]) -> threading.Timer:
        started.append(threading.Timer(seconds, bark))
        return started[-1]

    def running() -> list[bool]:
        return [not one.finished.is_set() for one in started]

    watchdog = Watchdog(LONG, timer=timer)
    with watchdog.watching("it"):
        assert running() == [True]
        watchdog.renew()
        assert running() == [False, True]
    watchdog.renew()
    assert running() == [False, False]


def test_one_process_at_a_time_tracks_and_another_takes_over(
    make_context: Fixture, story: Callable[..., Story], factory: sessionmaker[Session]
) -> None:
    story("mlflow")
    with transaction(factory) as session:
        assert store.hold_lock(session, "tracker mlflow", "elsewhere", LONG)
    tracker, context = Taking(), make_context()
    assert hear(context, tracker) == 0
    with transaction(factory) as session:
        store.release_lock(session, "tracker mlflow", "elsewhere")
    assert hear(context, tracker) == 1


def test_a_job_that_is_deleted_meanwhile_is_forgotten(
    make_context: Fixture, story: Callable[..., Story], factory: sessionmaker[Session]
) -> None:
    told = story("mlflow")

    class Late(Taking):
        def take(self, batch: Batch) -> str:
            with transaction(factory) as session:
                session.execute(delete(Job).where(Job.id == told.job_id))
            return super().take(batch)

    assert hear(make_context(), Late()) == 1
    assert hear(make_context(), Taking()) == 0


def test_the_loop_ends_with_its_worker_and_closes_the_tracker(
    make_context: Fixture, story: Callable[..., Story], until: Fixture
) -> None:
    told, tracker, ended = story("mlflow"), Taking(), threading.Event()
    context = make_context()
    mine = type(context)(context.settings, context.factory, "w1", ended.is_set)
    loop = threading.Thread(target=track, args=(mine, "mlflow", tracker, Watchdog(LONG)), daemon=True)
    loop.start()
    until(lambda: len(tracker.batches) == 1)
    told.complete()
    until(lambda: tracker.batches[-1].whole)
    ended.set()
    loop.join(LONG)
    assert tracker.closed == 1


def test_names_and_values_are_what_every_tracker_takes() -> None:
    assert plain_name("teacher (fdm)") == "teacher_fdm"
    assert plain_name("../../etc") == "etc"
    assert [plain_name(text) for text in ("..", "", "***", "/")] == ["_"] * 4
    assert len(plain_name("x" * 1000)) == NAME_LENGTH
    found = parameters_of({"a": {"b": None, "c": [1, 2], "d": True}, "e": "x" * 1000, "f g": 1.5})
    assert found == {"a.c": "[1, 2]", "a.d": "true", "e": "x" * VALUE_LENGTH, "f_g": "1.5"}
    whole = parameters_of(make_spec().model_dump(mode="json"))
    assert whole["transfer.lr"] and whole["dataset.name"] == "digits"


def test_an_error_is_told_without_the_password_of_a_url() -> None:
    told = _shortly(ValueError("API request to http://me:se@cret@host:1/api failed\nmore"))
    assert told == "ValueError: API request to http://host:1/api failed"


def test_sinks_are_switched_on_one_by_one(settings: Settings) -> None:
    assert switched_on(settings) == () and sink_processes(settings) == []
    more = settings.model_copy(
        update={
            "mlflow_uri": "file:x",
            "wandb_mode": "offline",
            "webhooks": True,
            "tensorboard_dir": settings.data_dir,
        }
    )
    assert switched_on(more) == ("mlflow", "tensorboard", "wandb", "webhooks")
    assert len(sink_processes(more)) == 4


def test_a_package_that_is_missing_is_named_with_the_extra(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = settings.model_copy(update={"mlflow_uri": "file:x", "wandb_mode": "offline"})
    check_packages(both)
    monkeypatch.setattr(switches, "find_spec", lambda name: None)
    check_packages(settings)
    with pytest.raises(SettingsInvalid) as caught:
        check_packages(both)
    words = str(caught.value)
    assert "CARTL_MLFLOW_URI" in words and "pip install 'cartl[mlflow]'" in words
    assert "CARTL_WANDB_MODE" in words and "pip install 'cartl[wandb]'" in words
