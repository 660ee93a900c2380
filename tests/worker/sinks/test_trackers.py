"""One job in each tracker, read back with what is not ours: MLflow's client, the messages of the others."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event
from wandb.proto.wandb_internal_pb2 import Record

from tests.worker.sinks.conftest import Story
from worker.sinks.mlflow_tracker import MlflowTracker
from worker.sinks.tensorboard_tracker import TensorBoardTracker
from worker.sinks.tracking import track_once
from worker.sinks.values import Tracker
from worker.sinks.wandb_tracker import WandbTracker
from worker.sinks.watchdog import Watchdog

Fixture = Any  # fixtures of conftest.py
LONG = 300.0
BLOCK, HEADER, WHOLE, LAST = 32_768, struct.Struct("<IHB"), 1, 4


@pytest.fixture
def play(make_context: Fixture, story: Callable[..., Story]) -> Callable[..., Story]:
    """A whole job, heard in three pieces by a tracker."""

    def run(name: str, tracker: Tracker, **settings: Any) -> Story:
        context, watchdog = make_context(**settings), Watchdog(LONG)
        told = story(name, name="my job")

        def hear() -> None:
            assert track_once(context, name, tracker, watchdog) == 1

        told.epochs(1, 2)
        hear()
        told.epochs(3)
        told.attack()
        hear()
        told.write("report.md", b"# robust\n")
        told.write("large.bin", b"x" * 2000)
        told.complete()
        hear()
        assert track_once(context, name, tracker, watchdog) == 0, "nothing follows"
        tracker.close()
        return told

    return run


def test_mlflow_has_parameters_metrics_files_and_the_end(
    play: Callable[..., Story], quick: Fixture, tmp_path: Path
) -> None:
    uri = f"file:{tmp_path / 'mlflow'}"
    settings = {"mlflow_uri": uri, "mlflow_experiment": "ours", "tracker_file_bytes": 1000}
    told = play("mlflow", MlflowTracker(quick.model_copy(update=settings), lambda: None), **settings)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("ours")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "my job")
    assert run.info.end_time >= run.info.start_time
    assert run.data.tags["cartl.job"] == told.job_id and run.data.tags["cartl.owner"] == "ada"
    assert run.data.params["freeze_depth"] == "1" and run.data.params["dataset.name"] == "digits"
    losses = client.get_metric_history(run.info.run_id, "teacher_fdm/loss")
    assert [(point.step, point.value) for point in losses] == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert run.data.metrics["robustness/student/pgd20"] == 0.75
    assert not any("bad" in name for name in run.data.metrics), "NaN is no number"
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["report.md"]


def test_mlflow_finds_the_run_of_an_attempt_that_ended_before_it_was_noted(
    make_context: Fixture, story: Callable[..., Story], quick: Fixture, tmp_path: Path
) -> None:
    uri = f"file:{tmp_path / 'mlflow'}"
    context = make_context(mlflow_uri=uri)
    told = story("mlflow")
    told.epochs(1)

    class Forgetful(MlflowTracker):
        """The process ends between the request and the note."""

        def take(self, batch: Any) -> str:
            super().take(batch)
            raise ConnectionResetError

    changed = quick.model_copy(update={"mlflow_uri": uri})
    assert track_once(context, "mlflow", Forgetful(changed, lambda: None), Watchdog(LONG)) == 0
    told.fail()
    told.hurry()
    assert track_once(context, "mlflow", MlflowTracker(changed, lambda: None), Watchdog(LONG)) == 1
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("cartl")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    told_twice = client.get_metric_history(run.info.run_id, "teacher_fdm/loss")
    assert {(point.step, point.value) for point in told_twice} == {(1, 1.0)}


def test_wandb_offline_writes_a_run_with_config_history_and_summary(
    play: Callable[..., Story], quick: Fixture, tmp_path: Path
) -> None:
    settings = {"wandb_mode": "offline", "wandb_dir": tmp_path, "wandb_project": "ours"}
    told = play("wandb", WandbTracker(quick.model_copy(update=settings)), **settings)
    (path,) = tmp_path.glob(f"wandb/offline-run-*/run-{told.job_id}.wandb")
    records = list(wandb_records(path))
    (run,) = (record.run for record in records if record.WhichOneof("record_type") == "run")
    assert (run.run_id, run.project, run.display_name) == (told.job_id, "ours", "my job")
    assert {item.key: item.value_json for item in run.config.update}["freeze_depth"] == "1"
    assert list(run.tags) == ["night"]
    rows = [
        {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
        for record in records
        if record.WhichOneof("record_type") == "history"
    ]
    losses = [(int(row["teacher_fdm/epoch"]), float(row["teacher_fdm/loss"])) for row in rows]
    assert losses == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    summary = {
        "/".join(item.nested_key) or item.key: item.value_json
        for record in records
        if record.WhichOneof("record_type") == "summary"
        for item in record.summary.update
    }
    assert summary["robustness/student/pgd20"] == "0.75" and summary["state"] == '"succeeded"'
    (ended,) = (record.exit for record in records if record.WhichOneof("record_type") == "exit")
    assert ended.exit_code == 0


def wandb_records(path: Path) -> Iterator[Record]:
    """The messages of a file of W&B: seven bytes, then a log in the form of LevelDB's."""
    data, place, message = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while place < len(data):
        left = BLOCK - place % BLOCK
        if left < HEADER.size:
            place += left
            continue
        _, length, kind = HEADER.unpack_from(data, place)
        message += data[place + HEADER.size : place + HEADER.size + length]
        place += HEADER.size + length
        if kind in (WHOLE, LAST):
            yield Record.FromString(message)
            message = b""


def test_tensorboard_gets_event_files_with_right_checksums(
    play: Callable[..., Story], tmp_path: Path
) -> None:
    told = play("tensorboard", TensorBoardTracker(tmp_path))
    (training,) = tmp_path.glob(f"{told.job_id}/teacher_fdm/events.out.tfevents.*")
    first, *events = event_records(training)
    assert first.file_version == "brain.Event:2"
    found = [(event.step, value.tag, value.simple_value) for event in events for value in event.summary.value]
    assert [(step, tag) for step, tag, _ in found] == [
        (step, tag) for step in (1, 2, 3) for tag in ("loss", "robust_accuracy")
    ]
    assert [value for *_, value in found] == pytest.approx([1.0, 0.1, 1 / 2, 0.2, 1 / 3, 0.3])
    (attacks,) = tmp_path.glob(f"{told.job_id}/robustness/student/events.out.tfevents.*")
    (value,) = event_records(attacks)[1].summary.value
    assert (value.tag, value.simple_value) == ("pgd20", 0.75)


def event_records(path: Path) -> list[Event]:
    """The records of an event file, each with its two checksums compared."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        body = data[12 : 12 + length]
        ends = struct.unpack("<I", data[8:12]) + struct.unpack("<I", data[12 + length : 16 + length])
        assert ends == (masked(data[:8]), masked(body))
        found.append(Event.FromString(body))
        data = data[16 + length :]
    return found


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return int(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
