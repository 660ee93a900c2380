"""A student measured again from Python: with what is new alone, and a typed row for each measurement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cartl import AsyncClient, Client, NotUsable, ServiceError
from cartl.library.job_handle import JobHandle
from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from tests.cartl.library.record_worker import Worker
from tests.factories import SMALL

MODEL = {"name": "tiny", "stem_stride": 1, "image_size": 8, "channels": 1}
SQUARE = {"attacks": [{"label": "square", "name": "square", "eps": 0.1, "steps": 60}]}


@pytest.fixture
def made(client: Client, worker: Worker, tmp_path: Path) -> JobHandle:
    """A job that has succeeded with a student and a report."""
    path = tmp_path / "student.safetensors"
    save_network(path, build_network(ModelSpec.model_validate(MODEL), 5, (0.5,), (0.25,), generator(0, "t")))
    job = client.submit(SMALL)
    claim = worker.claim()
    worker.write(claim, path.name, path.read_bytes())
    worker.report(claim)
    worker.complete(claim)
    return job.refresh()


def measured(worker: Worker) -> None:
    """The next measurement, at its end."""
    claim = worker.claim()
    worker.report(claim)
    worker.complete(claim)


def test_a_student_is_measured_again_and_has_two_rows(
    client: Client, worker: Worker, made: JobHandle
) -> None:
    (only,) = made.report().measurements
    assert (only.job_id, only.worst_case) == (made.id, made.report().student.figures.worst_case)  # type: ignore[union-attr]
    told = client.remeasure_dry_run(made.id, SQUARE)
    assert told.estimate.seconds is not None
    assert [attack["label"] for attack in told.spec["evaluate"]["attacks"]] == ["square"]
    again = client.remeasure(made.id, SQUARE, name="a year later", idempotency_key="mine")
    assert (again.job.name, again.job.spec["network"]["job"]) == ("a year later", made.id)
    assert again.job.spec["evaluate"]["attacks"] == told.spec["evaluate"]["attacks"]
    measured(worker)
    # The key stands for the job still, now that nothing of it is new.
    assert client.remeasure(made.id, SQUARE, name="a year later", idempotency_key="mine").id == again.id
    first, second = made.report().measurements
    assert (first.job_id, second.job_id) == (made.id, again.id)
    assert first.at <= second.at and second.attacks and second.at_most == second.worst_case.value  # type: ignore[union-attr]
    assert again.report().measurements == (first, second)
    with pytest.raises(ServiceError, match="nothing is new"):
        made.remeasure(SQUARE)
    with pytest.raises(ServiceError, match="Idempotency-Key was used"):
        client.remeasure(made.id, SQUARE, idempotency_key="mine")


def test_a_handle_measures_again_by_the_name_of_an_evaluation(made: JobHandle) -> None:
    again = made.remeasure("pgd100", tags=["yearly"])
    steps = [attack["steps"] for attack in again.job.spec["evaluate"]["attacks"]]
    assert (again.state, max(steps)) == ("queued", 100)
    assert again.job.spec["tags"] == ["yearly"]
    with pytest.raises(ServiceError, match="succeeded"):
        again.remeasure("pgd20")


def test_with_await_it_is_the_same(made: JobHandle, awaited: Any) -> None:
    async def use(client: AsyncClient) -> list[str]:
        told = await client.remeasure_dry_run(made.id, "pgd100")
        first = await client.remeasure(made.id, "pgd100")
        second = await (await client.job(made.id)).remeasure(SQUARE)
        assert told.spec["evaluate"] == first.job.spec["evaluate"]
        (row,) = (await (await client.job(made.id)).report()).measurements
        return [row.job_id, first.state, second.state]

    assert awaited(use) == [made.id, "queued", "queued"]


def test_what_is_sent_names_the_job_and_what_is_new(script: Any, scripted: Any, kind: str) -> None:
    asked = script((201, {"id": "k", "state": "queued"}))
    assert scripted.run(kind, asked, "remeasure", "j", priority=2).id == "k"
    (sent,) = asked.asked
    assert (sent.method, sent.url.path) == ("POST", "/jobs/j/remeasure")
    assert json.loads(sent.content) == {"evaluate": {"preset": "ensemble"}, "priority": 2}
    assert sent.headers["idempotency-key"]
    with pytest.raises(NotUsable):
        scripted.run(kind, script(201), "remeasure", "../keys")


def test_no_answer_is_asked_for_again_with_the_same_key(script: Any, scripted: Any, kind: str) -> None:
    asked = script(503, (201, {"id": "k", "state": "queued"}))
    assert scripted.run(kind, asked, "remeasure", "j", {"checks": {}}).id == "k"
    first, second = asked.asked
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
