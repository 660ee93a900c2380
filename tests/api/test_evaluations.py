"""Jobs of kind evaluate over HTTP: the student of an earlier job, its owner's alone, told by its file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from tests.api.conftest import Worker
from tests.factories import SMALL

MODEL = {"name": "tiny", "stem_stride": 1, "image_size": 8, "channels": 1}
FIVE = {"name": "digits", "classes": [5, 6, 7, 8, 9]}


@pytest.fixture
def student(tmp_path: Path) -> bytes:
    network = build_network(ModelSpec.model_validate(MODEL), 5, (0.5,), (0.25,), generator(0, "test"))
    save_network(tmp_path / "student.safetensors", network)
    return (tmp_path / "student.safetensors").read_bytes()


@pytest.fixture
def made(client: TestClient, worker: Worker, student: bytes) -> str:
    """A job that has succeeded with a student; its id."""
    job_id: str = client.post("/jobs", json=SMALL).json()["id"]
    claim = worker.claim()
    worker.write(claim, "student.safetensors", student, "application/octet-stream")
    worker.complete(claim)
    return job_id


def asked(job_id: str, **changes: Any) -> dict[str, Any]:
    return {"kind": "evaluate", "dataset": FIVE, "network": {"job": job_id}, "preset": "smoke"} | changes


def test_the_student_of_a_job_is_measured(
    client: TestClient, worker: Worker, made: str, student: bytes
) -> None:
    answer = client.post("/jobs", json=asked(made, name="again", tags=["measured"]))
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert (job["method"], job["freeze_depth"], job["dataset"], job["state"]) == (
        "given",
        0,
        "digits",
        "queued",
    )
    spec = job["spec"]
    assert spec["network"]["sha256"] == hashlib.sha256(student).hexdigest() and spec["model"] == MODEL
    assert job["estimate"]["forward_passes"] > 0 and job["estimate"]["teachers"] == 0
    report = client.get(job["links"]["robustness"]).json()
    assert report["complete"] is False and report["spec"] == spec and report["teachers"] == []
    assert "iven network on" in client.get(job["links"]["report"]).text
    claim = worker.claim()
    assert claim.job_id == job["id"] and claim.network is not None
    assert (worker.settings.artifacts_dir / claim.network).read_bytes() == student
    again = client.post("/jobs", json=spec)
    assert again.status_code == 201 and again.json()["spec"] == spec


QUERIES_ALONE = {"norm": "linf", "radii": [0.15], "knowledge": "scores"}
"""Of the radius of the attack on digits, which follows gradients."""


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"network": {"job": "0" * 32}}, "network.job"),
        ({"network": {"upload": "0" * 32}}, "network.upload"),
        ({"network": {"upload": None}}, "network"),
        ({"network": {"job": "1", "upload": "1"}}, "network"),
        ({"network": {"job": "../etc"}}, "network.job"),
        ({"network": None}, "network"),
        ({"dataset": "digits"}, "dataset"),
        ({"freeze_depth": 2}, "freeze_depth"),
        ({"kind": "train"}, "kind"),
        ({"kind": ["evaluate"]}, "kind"),
        ({"evaluate": {"attacks": [{"label": "a"}]}}, "evaluate.attacks.0.eps"),
        ({"evaluate": {"threat_models": [QUERIES_ALONE]}}, "evaluate.threat_models.0.knowledge"),
    ],
)
def test_what_is_wrong_is_named(client: TestClient, made: str, changes: dict[str, Any], field: str) -> None:
    answer = client.post("/jobs", json=asked(made) | changes)
    assert answer.status_code == 422, answer.text
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_a_student_is_measured_on_several_data_sets(client: TestClient, made: str) -> None:
    other = {"name": "digits", "classes": [0, 1, 2, 3, 4]}
    body = asked(made) | {"datasets": [FIVE, other]}
    refused = client.post("/jobs", json=body)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["dataset"]
    del body["dataset"]
    answer = client.post("/jobs", json=body)
    assert answer.status_code == 201, answer.text
    spec = answer.json()["spec"]
    assert spec["dataset"]["classes"] == FIVE["classes"]
    assert [part["dataset"]["classes"] for part in spec["further"]] == [other["classes"]]
    one = client.post("/jobs", json=asked(made)).json()
    assert "further" not in one["spec"]
    costs = [job["estimate"]["forward_passes"] for job in (answer.json(), one)]
    assert costs[0] > 1.9 * costs[1]
    report = client.get(answer.json()["links"]["robustness"]).json()
    assert report["complete"] is False and report["further"] == []
    too_many = client.post("/jobs", json=body | {"datasets": [FIVE] * 9})
    assert [error["field"] for error in too_many.json()["errors"]] == ["datasets"]
    twice = client.post("/jobs", json=body | {"datasets": [FIVE, FIVE]})
    assert [error["field"] for error in twice.json()["errors"]] == ["datasets.1"]


def test_a_job_without_a_student_has_none(client: TestClient) -> None:
    job_id = client.post("/jobs", json=SMALL).json()["id"]
    answer = client.post("/jobs", json=asked(job_id))
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "network.job"


def test_what_another_owner_made_does_not_exist(
    client: TestClient, made: str, new_key: Callable[..., dict[str, str]]
) -> None:
    stranger = client.post("/jobs", json=asked(made), headers=new_key("eve"))
    nobody = client.post("/jobs", json=asked("0" * 32), headers=new_key("eve"))
    assert stranger.status_code == nobody.status_code == 422
    assert stranger.json()["errors"] == nobody.json()["errors"]


def test_a_damaged_student_is_not_measured_as_good(client: TestClient, made: str, worker: Worker) -> None:
    (path,) = worker.settings.artifacts_dir.glob(f"{made}/*/student.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    answer = client.post("/jobs", json=asked(made))
    assert answer.status_code == 422 and "damaged" in answer.json()["detail"]
    assert answer.json()["errors"][0]["field"] == "network.job"


def test_a_dry_run_of_an_evaluation_stores_nothing(client: TestClient, made: str) -> None:
    answer = client.post("/jobs?dry_run=true", json=asked(made))
    assert answer.status_code == 200 and answer.json()["spec"]["kind"] == "evaluate"
    assert len(client.get("/jobs").json()["data"]) == 1


def test_a_file_with_the_tensors_of_another_network_is_no_network(
    client: TestClient, worker: Worker, student: bytes
) -> None:
    length = int.from_bytes(student[:8], "little")
    told = json.loads(student[8 : 8 + length])
    told["__metadata__"]["cartl_architecture"] = told["__metadata__"]["cartl_architecture"].replace(
        '"tiny"', '"wrn-28-4"'
    )
    header = json.dumps(told).encode()
    job_id = client.post("/jobs", json=SMALL).json()["id"]
    claim = worker.claim()
    content = len(header).to_bytes(8, "little") + header + student[8 + length :]
    worker.write(claim, "student.safetensors", content, "application/octet-stream")
    worker.complete(claim)
    answer = client.post("/jobs", json=asked(job_id))
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    assert "it lacks tensor 'blocks.0.before.norm1.weight'" in detail, detail
