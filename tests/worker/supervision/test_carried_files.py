"""Runs of hosts that share a bucket and no directory, played by fake_child.py."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.storage.bucket import StoreUnavailable
from cartl_core.storage.s3_store import S3Store
from jobs import store
from jobs.database.engine import reading
from jobs.errors import LostClaim
from jobs.files.artifacts import log_file, output_directory
from jobs.files.proven import proven_file
from jobs.files.stores import artifact_store, stage_store
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store import Claim
from tests.fixtures.workers import Record
from worker.supervision.child_command import Launch, environment
from worker.supervision.fenced_writer import FencedWriter, GaveUp
from worker.supervision.run_files import CarriedFiles, files_of_run
from worker.supervision.supervisor import Supervisor, SupervisorContext

FAKE_CHILD = Path(__file__).parents[1] / "fake_child.py"


@pytest.fixture
def quick(quick: Settings, bucket_url: str) -> Settings:
    return quick.model_copy(update={"store": bucket_url})


def run(settings: Settings, factory: sessionmaker[Session], claim: Claim, scenario: str) -> None:
    """One run to its end."""

    def prepare(here: Settings, claim: Claim) -> Launch:
        out = output_directory(here, claim.job_id, claim.token)
        return Launch(
            command=(sys.executable, str(FAKE_CHILD), scenario, str(out), str(here.stages_dir)),
            environment=environment(here, os.environ),
            out=out,
            log=log_file(here, claim.job_id, claim.attempt),
        )

    Supervisor(SupervisorContext(settings, factory, lambda: False, prepare), claim).run()


def test_a_stage_begun_on_one_host_is_finished_on_another_and_used_on_a_third(
    quick: Settings, record: Record, factory: sessionmaker[Session], tmp_path: Path
) -> None:
    first, second, third = (
        quick.model_copy(update={"cache_dir": tmp_path / name}) for name in ("first", "second", "third")
    )
    job_id = record.submit()
    run(first, factory, record.claim(), "strike")
    assert record.job(job_id).state == JobState.QUEUED
    run(second, factory, record.claim(), "go_on")
    assert record.job(job_id).state == JobState.SUCCEEDED
    with reading(factory) as session:
        left = store.artifact(session, job_id, "left.json")
    assert json.loads(proven_file(third, left).read_bytes()) == ["weights", "weights"]
    other = record.submit()
    run(third, factory, record.claim(), "reuse")
    with artifact_store(third).open(f"{other}/logs/attempt-1.log") as log:
        verdict, found, variables = json.loads(log.read().splitlines()[1])
    assert (verdict, found) == ("finished", ["network", "result.json"])
    assert not [name for name in variables if name.startswith(("AWS_", "CARTL_"))]
    for host in (first, second, third):
        assert [path for path in (host.cache_dir / "runs").rglob("*") if path.is_file()] == []


def carried(folder: Path, settings: Settings) -> CarriedFiles:
    stages, artifacts = stage_store(settings), artifact_store(settings)
    assert isinstance(stages, S3Store) and isinstance(artifacts, S3Store)
    return CarriedFiles(settings, folder, stages, artifacts)


def test_checkpoints_that_the_run_has_removed_are_in_the_bucket_no_more(
    quick: Settings, tmp_path: Path
) -> None:
    files = carried(tmp_path, quick)
    paths = [f"digest/claim/{number}.checkpoint" for number in (1, 2, 3, 4)]
    for path in paths:
        (tmp_path / "stages" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "stages" / path).write_text(path)
    (tmp_path / "stages" / paths[1]).unlink()
    files.keep_checkpoint(paths[0])
    files.keep_checkpoint(paths[1])
    files.keep_checkpoint(paths[2])
    (tmp_path / "stages" / paths[0]).unlink()
    files.keep_checkpoint(paths[3])
    assert [files.has(path) for path in paths] == [False, False, True, True]


def test_what_a_killed_process_has_left_goes_with_the_next_run_and_a_living_one_keeps_its_files(
    quick: Settings, record: Record
) -> None:
    runs = quick.cache_dir / "runs"
    (runs / "dead/stages").mkdir(parents=True)
    record.submit()
    claim = record.claim()
    with files_of_run(quick, claim) as files:
        files.here.stages_dir.mkdir()
        assert not (runs / "dead").exists()
        with files_of_run(quick, replace(claim, token=7)):
            assert files.here.stages_dir.is_dir()
    assert [path.name for path in runs.iterdir()] == [".locks"]
    assert list((runs / ".locks").iterdir()) == []


def test_a_bucket_that_is_away_is_waited_for_until_the_claim_is_lost_or_time_is_up(
    quick: Settings, record: Record, factory: sessionmaker[Session]
) -> None:
    record.submit()
    claim = record.claim()
    tries: list[int] = []

    def away_twice() -> str:
        tries.append(len(tries))
        if len(tries) < 3:
            raise StoreUnavailable(5, "the object store cannot be reached")
        return "kept"

    assert FencedWriter(factory, claim).insist(away_twice) == "kept"

    def away() -> None:
        raise StoreUnavailable(5, "the object store cannot be reached")

    with pytest.raises(GaveUp):
        FencedWriter(factory, claim, out_of_time=lambda: True).insist(away)
    lost = FencedWriter(factory, claim)
    lost.lost.set()
    with pytest.raises(LostClaim):
        lost.insist(away)
