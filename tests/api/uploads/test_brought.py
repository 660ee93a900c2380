"""Jobs over HTTP on data sets and from teachers that people brought: looked up, stored whole, handed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.catalog.network_file import inspect
from cartl_core.spec import JobSpec
from cartl_core.spec.existing_network import spec_of
from cartl_core.spec.resources.teacher import (
    BlockSize,
    FoundTeacher,
    MeasuredShare,
    Normalisation,
    Verification,
    teacher_digest,
)
from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.store.rights.keys import LOCAL_OWNER
from jobs.tables import Dataset, Teacher
from tests.api.conftest import Worker
from tests.fixtures.brought import found_dataset, network_file
from worker.supervision.child_command import prepare

DATASET_ID, TEACHER_ID = "d" * 32, "e" * 32
JOB: dict[str, Any] = {"dataset": "birds", "freeze_depth": 2, "preset": "smoke", "method": "consistent"}
FROM_TEACHER: dict[str, Any] = {**JOB, "teacher": "robust"}
FIGURE = MeasuredShare(value=0.5, low=0.4, high=0.6)
REFUSED = {"neft": "its normalisation layers have no statistics to bound"}


@pytest.fixture
def brought(factory: sessionmaker[Session], settings: Settings) -> Callable[..., None]:
    """Keeps a data set ``birds`` and a teacher ``robust`` of this machine's owner, as checks leave them."""

    def keep(*, dataset: str = "ready", teacher: str = "verified", owner: str = LOCAL_OWNER) -> None:
        file = settings.artifacts_dir / "teachers" / TEACHER_ID / "network.safetensors"
        file.parent.mkdir(parents=True)
        found = inspect(network_file(file, classes=3))
        architecture = found.architecture
        normalisation = Normalisation(mean=architecture.mean, std=architecture.std)
        taught = FoundTeacher(
            digest=teacher_digest("a" * 64, "ours", architecture, normalisation),
            layout="ours",
            architecture=architecture,
            normalisation=normalisation,
            blocks=tuple(BlockSize(name=f"block{index}", parameters=1, macs=1) for index in range(5)),
            methods=("vanilla", "consistent"),
            refused=REFUSED,
            verification=Verification(dataset="digits", n=100, clean=FIGURE, robust=FIGURE, attack="pgd20"),
        )
        birds = found_dataset(channels=1, size=8, eps=0.1)
        with transaction(factory) as session:
            common = {"owner_id": owner, "origin": "upload", "size": 1}
            session.add(
                Dataset(
                    id=DATASET_ID,
                    name="birds",
                    state=dataset,
                    asked={"name": "birds", "size": 1, "licence": "CC-BY-4.0"},
                    found=birds.model_dump(mode="json") if dataset == "ready" else None,
                    **common,
                )
            )
            session.add(
                Teacher(
                    id=TEACHER_ID,
                    name="robust",
                    state=teacher,
                    asked={
                        "name": "robust",
                        "size": 1,
                        "trained_at": {"norm": "linf", "eps": 0.2},
                        "licence": "MIT",
                    },
                    found=taught.model_dump(mode="json") if teacher == "verified" else None,
                    **common,
                )
            )

    return keep


def test_a_job_keeps_what_it_named_and_its_process_is_told_where_that_lies(
    client: TestClient, worker: Worker, brought: Callable[..., None], settings: Settings
) -> None:
    brought()
    answer = client.post("/jobs", json=FROM_TEACHER)
    assert answer.status_code == 201, answer.text
    job = answer.json()
    spec = job["spec"]
    assert job["dataset"] == "birds"
    assert (spec["dataset"]["id"], spec["dataset"]["fingerprint"]) == (DATASET_ID, "f" * 64)
    assert spec["dataset"]["facts"]["classes"] == ["cat", "dog", "owl"]
    assert (spec["teacher"]["id"], spec["teacher"]["name"]) == (TEACHER_ID, "robust")
    assert (spec["teacher"]["eps"], spec["teacher"]["eps_from"]) == (0.2, "trained_at")
    assert spec["teacher"]["verification"]["robust"]["value"] == 0.5
    assert (spec["dataset"]["facts"]["licence"], spec["teacher"]["licence"]) == ("CC-BY-4.0", "MIT")
    assert spec["source"] is None
    assert spec["pretrain"] is None
    assert spec["model"] == spec["teacher"]["architecture"]["model"]
    assert job["estimate"]["teachers"] == 0
    assert [row["id"] for row in client.get("/jobs", params={"dataset": "birds"}).json()["data"]] == [
        job["id"]
    ]

    again = client.post("/jobs", json=spec)
    assert again.status_code == 201, again.text
    assert again.json()["spec"] == spec
    by_id = {**FROM_TEACHER, "dataset": {"id": DATASET_ID}, "teacher": {"id": TEACHER_ID}}
    assert client.post("/jobs", json=by_id, params={"dry_run": True}).json()["spec"] == spec
    other = {**spec, "dataset": {**spec["dataset"], "fingerprint": "0" * 64}}
    assert field_of(client, other) == "dataset.fingerprint"
    other = {**spec, "teacher": {**spec["teacher"], "digest": "0" * 64}}
    assert field_of(client, other) == "teacher.digest"

    claim = worker.claim()
    stored = spec_of(claim.spec.model_dump(mode="json"))
    assert isinstance(stored, JobSpec)
    assert stored == claim.spec
    command = prepare(settings, claim).command
    assert f"{DATASET_ID}={settings.artifacts_dir}/datasets/{DATASET_ID}/pack" in command
    told = command[command.index("--teacher") + 1]
    assert inspect(Path(told)).sha256 == spec["teacher"]["sha256"]
    in_use = client.delete(f"/teachers/{TEACHER_ID}")
    assert (in_use.status_code, in_use.json()["type"]) == (409, "/problems/in-use")


def test_a_teacher_is_measured(client: TestClient, worker: Worker, brought: Callable[..., None]) -> None:
    brought()
    asked = {"kind": "evaluate", "dataset": "birds", "network": {"teacher": "robust"}, "preset": "smoke"}
    answer = client.post("/jobs", json=asked)
    assert answer.status_code == 201, answer.text
    spec = answer.json()["spec"]
    assert spec["network"]["teacher"] == TEACHER_ID
    assert spec["network"]["facts"]["verification"]["robust"]["value"] == 0.5
    assert (spec["network"]["facts"]["name"], spec["network"]["facts"]["licence"]) == ("robust", "MIT")
    assert client.post("/jobs", json=spec).json()["spec"] == spec
    claim = worker.claim()
    assert claim.network == f"teachers/{TEACHER_ID}/network.safetensors"
    assert claim.packs == ((DATASET_ID, f"datasets/{DATASET_ID}/pack"),)
    in_use = client.delete(f"/teachers/{TEACHER_ID}")
    assert (in_use.status_code, in_use.json()["type"]) == (409, "/problems/in-use")
    alone = {"network": {"upload": "1", "facts": spec["network"]["facts"]}}
    assert field_of(client, asked | alone) == "network"


def test_the_figures_of_a_given_teacher_stand_in_the_report_of_a_job_that_has_not_begun(
    client: TestClient, brought: Callable[..., None]
) -> None:
    brought()
    given = client.post("/jobs", json=FROM_TEACHER).json()["id"]
    measures = {"kind": "evaluate", "network": {"teacher": "robust"}, "dataset": "birds", "preset": "smoke"}
    measured = client.post("/jobs", json=measures).json()["id"]
    for job, used in ((given, "as_it_is"), (measured, "measured")):
        known = client.get(f"/jobs/{job}/robustness").json()["given_teacher"]
        assert (known["name"], known["used"], known["verification"]["n"]) == ("robust", used, 100)
        for path in (f"/jobs/{job}/report", f"/ui/jobs/{job}", f"/ui/jobs/{job}/report"):
            page = client.get(path, headers={"Accept": "text/html"}).text
            assert "The teacher that was given" in page, path
            assert "on 100 test images of digits: 50.0 % (40.0 to 60.0) clean accuracy" in page, path
        text = client.get(f"/jobs/{job}/robustness", headers={"Accept": "text/markdown"}).text
        assert "on 100 test images of digits" in text
    own = client.post("/jobs", json={"dataset": "birds", "freeze_depth": 2, "preset": "smoke"}).json()["id"]
    assert client.get(f"/jobs/{own}/robustness").json()["given_teacher"] is None
    assert "The teacher that was given" not in client.get(f"/ui/jobs/{own}").text


def field_of(client: TestClient, body: dict[str, Any]) -> str:
    """The field that a job is refused for."""
    answer = client.post("/jobs", json=body)
    assert answer.status_code == 422, answer.text
    found: str = answer.json()["errors"][0]["field"]
    return found


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"model": "wrn-16-2"}, "model", "the teacher is given"),
        ({"pretrain": {"epochs": 3}}, "pretrain", "the teacher is given"),
        ({"pretrain": {}}, "pretrain", "the teacher is given"),
        ({"baselines": [{"method": "lwf", "pretrain": {"lr": 0.1}}]}, "baselines.0.pretrain", "is given"),
        ({"source": "mnist"}, "source", "no source"),
        ({"teacher": {"id": "robust", "fdm_epochs": 2}}, "teacher.fdm_epochs", "no method of this job"),
        ({"teacher": {"id": "robust", "fdm_epochs": 0}}, "teacher.fdm_epochs", "at least 1"),
        ({"teacher": "nobody"}, "teacher", "no teacher 'nobody'"),
        ({"teacher": {"id": "nobody"}}, "teacher.id", "no teacher 'nobody'"),
        ({"dataset": "nothing"}, "dataset", "no data set 'nothing'"),
        ({"dataset": {"id": "nothing"}}, "dataset.id", "no data set 'nothing'"),
        ({"dataset": {}}, "dataset", "names no data set"),
        ({"method": "neft"}, "method", REFUSED["neft"]),
        ({"baselines": ["neft"]}, "baselines.0", REFUSED["neft"]),
        ({"freeze_depth": 5}, "freeze_depth", "5 blocks"),
        ({"dataset": "cifar10"}, "teacher", "colour images"),
        ({"evaluate": {"source_test_limit": 20}}, "evaluate.source_test_limit", "no teacher is measured"),
    ],
)
def test_what_a_given_teacher_settles_is_refused_by_name(
    client: TestClient, brought: Callable[..., None], changes: dict[str, Any], field: str, says: str
) -> None:
    brought()
    answer = client.post("/jobs", json={**FROM_TEACHER, **changes})
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["field"] == field
    assert says in fault["message"] + str(fault.get("allowed"))


@pytest.mark.parametrize(
    ("states", "problem"),
    [
        ({"dataset": "checking"}, "dataset-not-ready"),
        ({"dataset": "rejected"}, "dataset-not-ready"),
        ({"teacher": "checking"}, "teacher-not-ready"),
        ({"teacher": "rejected"}, "teacher-not-ready"),
    ],
)
def test_what_is_not_ready_yet_is_a_conflict(
    client: TestClient, brought: Callable[..., None], states: dict[str, str], problem: str
) -> None:
    brought(**states)
    answer = client.post("/jobs", json=FROM_TEACHER)
    assert (answer.status_code, answer.json()["type"]) == (409, f"/problems/{problem}")
    sweep = {"base": FROM_TEACHER, "grid": {"seed": [0, 1]}}
    answer = client.post("/sweeps", json=sweep)
    assert (answer.status_code, answer.json()["type"]) == (409, f"/problems/{problem}")


def test_what_belongs_to_others_does_not_exist(client: TestClient, brought: Callable[..., None]) -> None:
    brought(owner="somebody-else")
    assert field_of(client, FROM_TEACHER) == "dataset"
    assert field_of(client, {**FROM_TEACHER, "dataset": "digits"}) == "teacher"


def test_a_sweep_works_from_a_teacher(client: TestClient, brought: Callable[..., None]) -> None:
    brought()
    base = {name: value for name, value in FROM_TEACHER.items() if name not in ("method", "freeze_depth")}
    grid = {"method": ["vanilla", "consistent"], "freeze_depth": [1, 2]}
    answer = client.post("/sweeps", json={"base": base, "grid": grid}, params={"dry_run": True})
    assert answer.status_code == 200, answer.text
    assert answer.json()["estimate"]["teachers"] == 0
    refused = {"method": ["vanilla", "neft"], "freeze_depth": [1]}
    answer = client.post("/sweeps", json={"base": base, "grid": refused})
    assert answer.json()["errors"][0]["field"] == "grid.method.1"
    weights = {"base": {**FROM_TEACHER, "method": "cartl"}, "grid": {"fdm_weight": [0.1, 0.2]}}
    answer = client.post("/sweeps", json=weights)
    assert answer.json()["errors"][0]["field"] == "grid.fdm_weight.0"


def test_each_of_several_data_sets_brings_its_pack(
    client: TestClient, brought: Callable[..., None], worker: Worker
) -> None:
    brought()
    asked = {
        "kind": "evaluate",
        "datasets": [{"name": "digits", "classes": [0, 1, 2]}, "birds"],
        "network": {"teacher": "robust"},
        "preset": "smoke",
    }
    answer = client.post("/jobs", json=asked)
    assert answer.status_code == 201, answer.text
    assert worker.claim().packs == ((DATASET_ID, f"datasets/{DATASET_ID}/pack"),)
