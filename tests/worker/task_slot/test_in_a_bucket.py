"""A task of a host whose files lie in a bucket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.files.stores import artifact_store
from jobs.settings import Settings
from tests.worker.task_slot.bench import Bench


@pytest.fixture
def backend() -> str:
    return "sqlite"


@pytest.fixture
def quick(quick: Settings, bucket_url: str) -> Settings:
    return quick.model_copy(update={"store": bucket_url})


def test_what_a_check_has_made_is_in_the_bucket_with_its_log_and_nothing_is_left_here(bench: Bench) -> None:
    task_id = bench.record.add()
    bench.order("ready")
    assert bench.run() == "succeeded"
    store = artifact_store(bench.settings)
    assert bench.kept() == ["datasets/p1/content", "datasets/p1/pack/index.json"]
    with store.open("datasets/p1/pack/index.json") as file:
        assert file.read() == b"the content"
    assert list(store.list("tasks")) == [f"tasks/{task_id}/attempt-1.log"]
    left = [path for path in bench.settings.cache_dir.rglob("*") if path.is_file()]
    assert {path.parent.name for path in left} == {"cache"}


def test_a_check_reads_a_copy_and_gets_no_credentials(bench: Bench) -> None:
    bench.record.add()
    bench.order("facts")
    assert bench.run() == "succeeded"
    facts = json.loads(bench.parents.results["p1"]["message"])
    content = Path(facts["arguments"][facts["arguments"].index("--content") + 1])
    assert content.is_relative_to(bench.settings.cache_dir)
    assert not content.exists()
    assert facts["settings"] == []
