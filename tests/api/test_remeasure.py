"""A student measured again: only with what is new, on the same images, and a row for each measurement."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.rng import generator
from cartl_core.report import Report
from cartl_core.spec import ModelSpec
from cartl_core.statistics.proportions import wilson
from jobs.store.measurements import other_measurements, stored_report
from tests.api.conftest import Worker
from tests.factories import SMALL
from tests.fixtures.reports import attack_of, full_report, report_event

MODEL = {"name": "tiny", "stem_stride": 1, "image_size": 8, "channels": 1}
NEW = {"label": "square", "name": "square", "eps": 0.1, "steps": 60}


def report_with(robust: int, label: str) -> Report:
    """A complete report whose student holds on ``robust`` of its 200 images."""
    report = full_report()
    assert report.student is not None and report.student.figures is not None
    changes = {"worst_case": wilson(robust, 200), "attacks": (attack_of(robust, 200, label),), "n": 200}
    figures = report.student.figures.model_copy(update=changes)
    return report.model_copy(update={"student": report.student.model_copy(update={"figures": figures})})


@pytest.fixture
def made(client: TestClient, worker: Worker, tmp_path: Any) -> str:
    """A job that has succeeded with a student and a report; its id."""
    path = tmp_path / "student.safetensors"
    save_network(path, build_network(ModelSpec.model_validate(MODEL), 5, (0.5,), (0.25,), generator(0, "t")))
    job_id: str = client.post("/jobs", json=SMALL).json()["id"]
    claim = worker.claim()
    worker.write(claim, path.name, path.read_bytes(), "application/octet-stream")
    worker.tell(claim, report_event(report_with(120, "pgd20")))
    worker.complete(claim)
    return job_id


def remeasured(client: TestClient, worker: Worker, job_id: str, robust: int, **attack: Any) -> str:
    """A measurement with another attack, at its end; its id."""
    body = {"evaluate": {"attacks": [NEW | attack]}}
    answer = client.post(f"/jobs/{job_id}/remeasure", json=body)
    assert answer.status_code == 201, answer.text
    claim = worker.claim()
    assert claim.job_id == answer.json()["id"]
    worker.tell(claim, report_event(report_with(robust, "square")))
    worker.complete(claim)
    return claim.job_id


def test_only_what_is_new_is_measured(client: TestClient, made: str) -> None:
    before = client.get(f"/jobs/{made}").json()["spec"]
    known = before["evaluate"]["attacks"][0]
    stated = {"norm": "linf", "radii": [NEW["eps"], known["eps"]], "knowledge": "white_box"}
    attacks = [known | {"label": "by-another-name"}, NEW]
    body = {"evaluate": {"attacks": attacks, "threat_models": [stated]}, "name": "a year later"}
    told = client.post(f"/jobs/{made}/remeasure?dry_run=true", json=body)
    assert told.status_code == 200, told.text
    answer = client.post(f"/jobs/{made}/remeasure", json=body)
    assert answer.status_code == 201, answer.text
    spec = answer.json()["spec"]
    assert told.json()["spec"] == spec
    assert [attack["label"] for attack in spec["evaluate"]["attacks"]] == ["square"]
    assert [model["knowledge"] for model in spec["evaluate"]["threat_models"]] == ["scores"]
    assert spec["network"]["job"] == made
    assert (spec["dataset"], spec["seed"]) == (before["dataset"], before["seed"])
    assert spec["evaluate"]["test_limit"] == before["evaluate"]["test_limit"]
    assert [spec["evaluate"][name] for name in ("checks", "curve", "gallery")] == [None, None, None]
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"


def test_a_measured_student_has_a_row_for_each_measurement(
    client: TestClient, worker: Worker, made: str
) -> None:
    (only,) = client.get(f"/jobs/{made}/robustness").json()["measurements"]
    assert (only["job_id"], only["worst_case"]["successes"], only["at_most"]) == (made, 120, 0.6)
    second = remeasured(client, worker, made, 90)
    third = remeasured(client, worker, second, 110, steps=61)
    for job_id in (made, second, third):
        rows = client.get(f"/jobs/{job_id}/robustness").json()["measurements"]
        assert [row["job_id"] for row in rows] == [made, second, third]
        assert [row["attacks"][0]["label"] for row in rows] == ["pgd20", "square", "square"]
        assert [row["at_most"] for row in rows] == [0.6, 0.45, 0.45]
        assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    page = client.get(f"/ui/jobs/{made}/robustness").text
    assert "Measured again" in page and second[:12] in page and "45.0 %" in page
    assert page.count("<circle") == 3 and page.count('class="at-most"') == 3
    assert page.count('<g class="front">') == 1, "the point of this job alone is filled"
    alone = client.get(f"/jobs/{made}/report", headers={"Accept": "text/html"}).text
    assert "measured 3 times" in alone and "at most 45.0 %" in alone


def test_a_student_that_was_measured_once_has_no_series(client: TestClient, made: str) -> None:
    for path in (f"/ui/jobs/{made}/robustness", f"/jobs/{made}/report"):
        page = client.get(path, headers={"Accept": "text/html"}).text
        assert "Measured again" not in page and "times" not in page.partition("<main>")[0]


def test_one_key_makes_one_measurement(client: TestClient, worker: Worker, made: str) -> None:
    """Also once nothing of it is new any more; and the log has one submission of it."""
    body, headers = {"evaluate": {"attacks": [NEW]}}, {"Idempotency-Key": "mine"}
    first = client.post(f"/jobs/{made}/remeasure", json=body, headers=headers)
    claim = worker.claim()
    worker.tell(claim, report_event(report_with(90, "square")))
    worker.complete(claim)
    again = client.post(f"/jobs/{made}/remeasure", json=body, headers=headers)
    assert (first.status_code, again.status_code, again.headers["idempotent-replay"]) == (201, 200, "true")
    assert first.json()["id"] == again.json()["id"] == claim.job_id
    other = client.post(f"/jobs/{made}/remeasure", json={**body, "name": "other"}, headers=headers)
    assert other.status_code in (409, 422) and "key" in other.json()["detail"].lower()


def test_what_was_measured_is_not_paid_for_twice(client: TestClient, worker: Worker, made: str) -> None:
    remeasured(client, worker, made, 90)
    again = client.post(f"/jobs/{made}/remeasure", json={"evaluate": {"attacks": [NEW | {"label": "x"}]}})
    assert again.status_code == 422
    (error,) = again.json()["errors"]
    assert error["field"] == "evaluate.attacks"
    assert "nothing is new: the network was measured with x" in error["message"]
    checks = {"evaluate": {"attacks": [NEW], "checks": {}}}
    answer = client.post(f"/jobs/{made}/remeasure?dry_run=true", json=checks)
    assert answer.json()["spec"]["evaluate"]["attacks"] == []
    assert answer.json()["spec"]["evaluate"]["checks"] is not None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "evaluate"),
        ({"evaluate": {"attacks": [NEW | {"steps": 0}]}}, "evaluate.attacks.0.steps"),
        ({"evaluate": {"attacks": [NEW]}, "dataset": "svhn"}, "dataset"),
    ],
)
def test_what_is_wrong_is_named(client: TestClient, made: str, body: dict[str, Any], field: str) -> None:
    answer = client.post(f"/jobs/{made}/remeasure", json=body)
    assert answer.status_code == 422, answer.text
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_only_a_job_that_has_succeeded_is_measured_again(
    client: TestClient, factory: sessionmaker[Session]
) -> None:
    job_id = client.post("/jobs", json=SMALL).json()["id"]
    refused = client.post(f"/jobs/{job_id}/remeasure", json={"evaluate": {"attacks": [NEW]}})
    assert refused.status_code in (403, 409), refused.text
    assert client.post(f"/jobs/{'0' * 32}/remeasure", json={"evaluate": {}}).status_code == 404
    assert client.get(f"/jobs/{job_id}/robustness").json()["measurements"] == []
    with factory() as session:
        assert other_measurements(session, stored_report(session, job_id, "local")) == ()


def test_a_larger_radius_and_another_norm_say_nothing_of_what_came_before(
    client: TestClient, worker: Worker, made: str
) -> None:
    """A row is held to what was found within its own radii: the wide one takes no later row down with it."""

    def row(robust: int, attack: dict[str, Any], **changes: Any) -> str:
        answer = client.post(f"/jobs/{made}/remeasure", json={"evaluate": {"attacks": [NEW | attack]}})
        claim = worker.claim()
        report = report_with(robust, "square")
        assert report.student is not None and report.student.figures is not None
        told = report.student.figures.attacks[0].model_copy(update=changes)
        figures = report.student.figures.model_copy(update={"attacks": (told,)})
        student = report.student.model_copy(update={"figures": figures})
        worker.tell(claim, report_event(report.model_copy(update={"student": student})))
        worker.complete(claim)
        return str(answer.json()["id"])

    row(10, {"eps": 0.3}, eps=0.3)
    row(40, {"norm": "l2", "eps": 1.0}, norm="l2", eps=1.0)
    row(110, {"steps": 61})
    last = row(50, {"eps": 0.4}, eps=0.4)
    rows = client.get(f"/jobs/{last}/robustness").json()["measurements"]
    assert [one["at_most"] for one in rows] == [0.6, 0.05, 0.2, 0.55, 0.05]
