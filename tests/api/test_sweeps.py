"""Sweeps over HTTP: all jobs or none, errors where they stand, seen by their owner alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from api.openapi import SWEEP_EXAMPLES
from cartl_core.report import ArmReport, Figures, Report, Validation
from cartl_core.spec import JobSpec, digest
from cartl_core.spec.measures.attack import AttackSpec
from cartl_core.statistics.proportions import wilson
from jobs.database.engine import reading, transaction
from jobs.settings import Settings
from jobs.store.change import plain
from jobs.tables import Job, JobEvent, Sweep
from tests.api.conftest import local_client
from tests.fixtures.reports import HERE

NewKey = Callable[..., dict[str, str]]
BASE = {"dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]}, "model": "tiny", "preset": "smoke"}
BODY: dict[str, Any] = {
    "base": {**BASE, "freeze_depth": 2},
    "grid": {"method": ["vanilla", "cartl"], "seed": [0, 1]},
}


@pytest.fixture
def stored(factory: sessionmaker[Session]) -> Callable[[], list[int]]:
    """Rows of jobs, events and sweeps."""

    def count() -> list[int]:
        with reading(factory) as session:
            return [
                session.scalar(select(func.count()).select_from(table)) or 0
                for table in (Job, JobEvent, Sweep)
            ]

    return count


def faults(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [fault["field"] for fault in answer.json()["errors"]]


def test_a_sweep_makes_its_jobs(client: TestClient, stored: Callable[[], list[int]]) -> None:
    answer = client.post("/sweeps", json=BODY | {"name": "which method?"})
    assert answer.status_code == 201, answer.text
    sweep = answer.json()
    assert answer.headers["location"] == sweep["links"]["self"] == f"/sweeps/{sweep['id']}"
    assert (sweep["name"], sweep["jobs"], sweep["fraction"], sweep["margin"]) == (
        "which method?",
        4,
        0.0,
        0.01,
    )
    assert sweep["states"] == {"queued": 4, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0}
    assert [row["setting"]["method"] for row in sweep["table"]["rows"]] == ["vanilla", "cartl"]
    assert stored() == [4, 4, 1]
    jobs = client.get(sweep["links"]["jobs"]).json()["data"]
    assert {job["sweep"] for job in jobs} == {sweep["id"]}
    assert {job["id"] for job in jobs} == {job for row in sweep["table"]["rows"] for job in row["jobs"]}
    alone = client.post("/jobs", json=BODY["base"]).json()
    assert alone["sweep"] is None
    assert client.get("/jobs", params={"sweep": "0" * 32}).json()["data"] == []
    assert client.get(sweep["links"]["self"]).json() == sweep


def test_a_dry_run_counts_and_stores_nothing(client: TestClient, stored: Callable[[], list[int]]) -> None:
    grid = {"method": ["vanilla", "cartl"], "freeze_depth": [1, 2, 3], "beta": [0.4, 0.6]}
    dry = client.post("/sweeps?dry_run=true", json={"base": BASE, "grid": grid})
    assert dry.status_code == 200
    found = dry.json()
    assert (found["combinations"], found["jobs"], found["teachers"]) == (12, 3 + 3 * 2, 1 + 3)
    assert [(one["field"], one["name"], one["state"]) for one in found["data"]] == [
        ("source", "digits", "present")
    ], "all its jobs need it, as source and target, and it is named once"
    fetched = client.post("/sweeps?dry_run=true", json={"base": BASE | {"source": "mnist"}, "grid": grid})
    assert [(one["name"], one["state"]) for one in fetched.json()["data"]] == [
        ("mnist", "download"),
        ("digits", "present"),
    ]
    every = {"base": BASE | {"pretrain": {"fdm_layers": "every"}}, "grid": grid}
    shared = client.post("/sweeps?dry_run=true", json=every).json()
    assert (shared["jobs"], shared["teachers"]) == (9, 2)
    assert 0 < shared["estimate"]["forward_passes"] < found["estimate"]["forward_passes"]
    assert stored() == [0, 0, 0]


def test_teachers_that_are_shared_count_once(client: TestClient) -> None:
    def passes(body: dict[str, Any], path: str) -> int:
        result: int = client.post(f"{path}?dry_run=true", json=body).json()["estimate"]["forward_passes"]
        return result

    alone = passes({**BASE, "freeze_depth": 2, "method": "neft", "baselines": []}, "/jobs")
    student = {**BASE, "freeze_depth": 2, "method": "neft"}
    two = passes({"base": student, "grid": {"beta": [0.4, 0.6]}}, "/sweeps")
    one = passes({"base": student, "grid": {"beta": [0.4]}}, "/sweeps")
    seeds = passes({"base": student, "grid": {"seed": [0, 1]}}, "/sweeps")
    assert one == alone
    assert alone < two < 2 * alone
    assert seeds == pytest.approx(2 * alone, abs=1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"grid": {"beta": [0.5, 11.0]}}, "grid.beta.1"),
        ({"grid": {"beta": []}}, "grid.beta"),
        ({"grid": {}}, "grid"),
        ({"grid": {"seed": [1, 1]}}, "grid"),
        (
            {"grid": {"seed": [0]}, "base": {**BASE, "freeze_depth": 2, "transfer": {"lr": 0}}},
            "base.transfer.lr",
        ),
        ({"grid": {"freeze_depth": [2, 9]}, "base": BASE}, "grid.freeze_depth.1"),
        (
            {"grid": {"freeze_depth": [0, 1], "method": ["vanilla", "cartl"]}, "base": BASE},
            "grid.freeze_depth.0",
        ),
        ({"grid": {"seed": [0]}, "base": BASE}, "base.freeze_depth"),
        ({"grid": {"method": ["vanilla", "auto"]}}, "grid.method.1"),
        ({"grid": {"seed": [0], "freeze_depth": [2]}}, "base.freeze_depth"),
        ({"grid": {"seed": list(range(51)), "method": ["vanilla", "cartl"]}}, "grid"),
        ({"margin": -0.1}, "margin"),
        ({"jobs": 3}, "jobs"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(
    client: TestClient, stored: Callable[[], list[int]], changes: dict[str, Any], field: str
) -> None:
    answer = client.post("/sweeps", json=BODY | changes)
    assert faults(answer) == [field]
    assert stored() == [0, 0, 0]


def test_one_bad_job_and_none_is_made(client: TestClient, stored: Callable[[], list[int]]) -> None:
    answer = client.post("/sweeps", json={"base": BASE, "grid": {"freeze_depth": [1, 2, 3, 4, 5]}})
    (fault,) = answer.json()["errors"]
    assert fault["field"] == "grid.freeze_depth.4"
    assert "freeze_depth 5" in fault["message"]
    assert fault["allowed"] == "1 to 4"
    assert stored() == [0, 0, 0]


def test_the_deployments_limits(settings: Settings, stored: Callable[[], list[int]]) -> None:
    few = settings.model_copy(update={"max_jobs_per_sweep": 3, "max_queued_per_owner": 5, "max_epochs": 2})
    with local_client(few) as client:
        many = client.post("/sweeps", json=BODY)
        assert faults(many) == ["grid"]
        assert many.json()["errors"][0]["allowed"] == "1 to 3 combinations"
        long = {"base": {**BASE, "freeze_depth": 2, "transfer": {"epochs": 3}}, "grid": {"seed": [0]}}
        assert faults(client.post("/sweeps", json=long)) == ["base.transfer.epochs"]
        three = BODY | {"grid": {"seed": [0, 1, 2]}}
        assert client.post("/sweeps", json=three).status_code == 201
        full = client.post("/sweeps", json=three)
        assert (full.status_code, full.json()["type"]) == (429, "/problems/too-many-jobs")
        assert "3 jobs are queued and 3 are new; allowed: at most 5" in full.json()["detail"]
        assert stored() == [3, 3, 1]
        assert client.post("/sweeps", json=BODY | {"grid": {"seed": [0, 1]}}).status_code == 201


def test_a_key_makes_one_sweep(client: TestClient, stored: Callable[[], list[int]]) -> None:
    key = {"Idempotency-Key": "k"}
    first = client.post("/sweeps", json=BODY, headers=key)
    again = client.post("/sweeps", json=BODY | {"margin": 0.01}, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["idempotent-replay"] == "true"
    assert again.json()["id"] == first.json()["id"]
    other = client.post("/sweeps", json=BODY | {"margin": 0.02}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")
    assert client.post("/jobs", json=BODY["base"], headers=key).status_code == 422
    assert stored() == [4, 4, 1]


def test_somebody_elses_sweep_does_not_exist(client: TestClient, new_key: NewKey) -> None:
    ada, bob, looker = new_key("ada"), new_key("bob"), new_key("ada", "viewer")
    path = client.post("/sweeps", json=BODY, headers=ada).json()["links"]["self"]
    for answer in (
        client.get(path, headers=bob),
        client.post(f"{path}/cancel", headers=bob),
        client.get("/sweeps/nonsense!", headers=ada),
        client.get(f"/sweeps/{'0' * 32}", headers=ada),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
    assert client.get("/sweeps", headers=bob).json() == {"data": [], "next_cursor": None}
    assert client.get(path, headers=looker).status_code == 200
    assert client.post("/sweeps", json=BODY, headers=looker).status_code == 403
    assert client.post(f"{path}/cancel", headers=looker).status_code == 403
    assert client.get("/sweeps").status_code == 401
    assert client.get("/jobs", params={"sweep": path.rpartition("/")[2]}, headers=bob).json()["data"] == []


def test_lists_come_in_pages(client: TestClient) -> None:
    made = [client.post("/sweeps", json=BODY).json()["id"] for _ in range(3)]
    first = client.get("/sweeps", params={"limit": 2}).json()
    second = client.get("/sweeps", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [sweep["id"] for sweep in first["data"] + second["data"]] == made[::-1]
    assert second["next_cursor"] is None
    assert first["data"][0]["grid"] == BODY["grid"]
    assert first["data"][0]["states"]["queued"] == 4
    assert faults(client.get("/sweeps?cursor=nonsense")) == ["cursor"]
    assert faults(client.get("/sweeps?limit=1000")) == ["limit"]


def test_cancelling_a_sweep_ends_its_queued_jobs_and_asks_its_running_ones(
    client: TestClient, worker: Any
) -> None:
    sweep = client.post("/sweeps", json=BODY).json()
    worker.complete(worker.claim())
    running = worker.claim()
    for _ in range(2):
        answer = client.post(sweep["links"]["cancel"])
        assert answer.status_code == 200
        assert answer.json()["states"] == {
            "queued": 0,
            "running": 1,
            "succeeded": 1,
            "failed": 0,
            "cancelled": 2,
        }
    assert client.get(f"/jobs/{running.job_id}").json()["cancel_requested"]


def report_of(spec: JobSpec, right: int, held: int) -> Report:
    attack = AttackSpec(label="validation", eps=0.1, step=0.02, steps=10)
    validation = Validation(clean=wilson(right, 100), robust=wilson(held, 100), attack=attack)
    figures = Figures(
        not_finite=0,
        data="digits",
        data_fingerprint="f",
        n=100,
        clean=wilson(right, 100),
        worst_case=wilson(held, 100),
    )
    student = ArmReport(
        method=spec.arm.method,
        blocks=5,
        validation=validation,
        history=None,
        reused=False,
        origin=HERE,
        figures=figures,
    )
    return Report(complete=True, spec=spec, spec_digest=digest(spec), student=student)


def test_the_table_when_all_have_ended(
    client: TestClient, worker: Any, factory: sessionmaker[Session]
) -> None:
    path = client.post("/sweeps", json=BODY | {"grid": {"method": ["vanilla", "cartl"]}}).json()["links"][
        "self"
    ]
    for counts in ((90, 40), (92, 60)):
        claim = worker.claim()
        with transaction(factory) as session:
            spec = JobSpec.model_validate(session.get_one(Job, claim.job_id).spec)
            report = plain(report_of(spec, *counts))
            session.execute(update(Job).where(Job.id == claim.job_id).values(report=report))
        worker.complete(claim)
    sweep = client.get(path).json()
    assert (sweep["fraction"], sweep["table"]["complete"]) == (1.0, True)
    vanilla, cartl = sweep["table"]["rows"]
    assert (vanilla["best"], vanilla["on_front"], vanilla["test"]) == (False, False, None)
    assert (cartl["best"], cartl["on_front"]) == (True, True)
    assert cartl["test"]["robust"]["value"] == 0.6
    assert cartl["validation"]["robust"]["interval"] == "wilson"
    text = client.get(path, headers={"Accept": "text/markdown"})
    assert text.headers["content-type"].startswith("text/markdown")
    assert "| CARTL | 2 | 3 |" in text.text
    areas = {area["method"]: area["value"] for area in sweep["table"]["areas"]}
    assert areas == pytest.approx({"vanilla": 0.9 * 0.4, "cartl": 0.92 * 0.6})
    assert "| CARTL | 0.552 | 1 | 1 |" in text.text
    page = client.get(f"/ui{path}")
    assert page.status_code == 200, page.text
    assert "<strong>0.552</strong>" in page.text
    refused = client.get(path, headers={"Accept": "text/csv"})
    assert (refused.status_code, refused.json()["type"]) == (406, "/problems/not-acceptable")


@pytest.mark.parametrize("example", SWEEP_EXAMPLES.values(), ids=SWEEP_EXAMPLES.keys())
def test_every_example_runs(client: TestClient, example: dict[str, Any]) -> None:
    assert client.post("/sweeps?dry_run=true", json=example["value"]).status_code == 200
    assert client.post("/sweeps", json=example["value"]).status_code == 201
