"""Submitting, listing, looking, cancelling, retrying."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from cartl_core.events import Progress
from cartl_core.spec import JobRequest, JobSpec


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def submit(client: TestClient, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = client.post("/jobs", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_data_set_and_a_depth_make_a_job(client: TestClient) -> None:
    answer = client.post("/jobs", json={"dataset": "svhn", "freeze_depth": 6})
    assert answer.status_code == 201
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}" == job["links"]["self"]
    assert (job["state"], job["queue_position"], job["event_count"]) == ("queued", 1, 1)
    assert JobSpec.model_validate(job["spec"]).preset == "quick"
    assert job["estimate"]["seconds"] > 0
    assert client.get(job["links"]["self"]).json() == job


def test_the_resolved_spec_posted_again_is_the_same_job(client: TestClient, small: dict[str, Any]) -> None:
    first = submit(client, small)
    again = submit(client, first["spec"])
    assert again["spec"] == first["spec"]
    assert again["spec_digest"] == first["spec_digest"]
    assert JobRequest.model_validate(first["spec"])


def test_a_dry_run_stores_nothing(client: TestClient, small: dict[str, Any]) -> None:
    answer = client.post("/jobs?dry_run=true", json=small)
    assert answer.status_code == 200
    assert set(answer.json()) == {"spec", "spec_digest", "estimate", "data"}
    assert client.get("/jobs").json() == {"data": [], "next_cursor": None}
    assert submit(client, small)["spec_digest"] == answer.json()["spec_digest"]


def test_the_same_key_and_body_give_the_same_job(client: TestClient, small: dict[str, Any]) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = client.post("/jobs", json=small, headers=key)
    again = client.post("/jobs", json=dict(reversed(small.items())), headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["idempotent-replay"] == "true"
    assert "idempotent-replay" not in first.headers
    assert again.json() == first.json()
    other = client.post("/jobs", json=small | {"freeze_depth": 3}, headers=key)
    assert other.status_code == 422
    assert other.json()["type"] == "/problems/idempotency-mismatch"
    assert len(client.get("/jobs").json()["data"]) == 1


@pytest.mark.parametrize("key", ["", "a" * 256, "two words", "caf\xe9"])
def test_a_bad_idempotency_key_is_refused(client: TestClient, small: dict[str, Any], key: str) -> None:
    answer = client.post("/jobs", json=small, headers={b"Idempotency-Key": key.encode("latin-1")})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_pages_go_from_newest_to_oldest_and_do_not_shift(client: TestClient, small: dict[str, Any]) -> None:
    ids = [submit(client, small)["id"] for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        page = client.get("/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [job["id"] for job in page["data"]]
        submit(client, small)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_a_job_that_chooses_says_so(client: TestClient, small: dict[str, Any]) -> None:
    open_ = submit(client, small | {"method": "auto", "freeze_depth": "auto"})
    deep = submit(client, small | {"freeze_depth": "auto"})
    assert (open_["method"], open_["freeze_depth"]) == ("auto", "auto")
    assert (deep["method"], deep["freeze_depth"]) == ("cartl", "auto")
    spec = open_["spec"]
    assert (spec["pretrain"], spec["transfer"], spec["baselines"]) == (None, None, [])
    tried = [(arm["method"], arm["freeze_depth"]) for arm in spec["auto"]["candidates"]]
    assert {("vanilla", depth) for _, depth in tried} <= set(tried)
    assert submit(client, spec)["spec"] == spec
    found = client.get("/jobs", params={"method": "auto"}).json()["data"]
    assert [job["freeze_depth"] for job in found] == ["auto", "auto"]
    refused = client.post("/jobs", json=small | {"auto": {"margin": 0.02}})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "auto"
    far = client.post("/jobs", json=small | {"freeze_depth": "auto", "auto": {"margin": 2}})
    assert (far.status_code, far.json()["errors"][0]["field"]) == (422, "auto.margin")


def test_jobs_are_filtered_by_tag_method_data_set_and_state(
    client: TestClient, small: dict[str, Any]
) -> None:
    tagged = submit(client, small | {"tags": ["a", "b:1"]})["id"]
    plain = submit(client, small | {"method": "vanilla"})["id"]
    svhn = submit(client, {"dataset": "svhn", "freeze_depth": 2})["id"]
    client.post(f"/jobs/{svhn}/cancel")

    def ids(**wanted: str) -> list[str]:
        return [job["id"] for job in client.get("/jobs", params=wanted).json()["data"]]

    assert ids() == [svhn, plain, tagged]
    assert ids(tag="b:1") == [tagged]
    assert ids(method="vanilla") == [plain]
    assert ids(dataset="digits") == [plain, tagged]
    assert ids(state="cancelled", dataset="svhn") == [svhn]
    assert ids(state="running") == []


@pytest.mark.parametrize(
    ("query", "field", "allowed"),
    [
        ("limit=0", "limit", "at least 1"),
        ("limit=201", "limit", "1 to 200"),
        ("limit=two", "limit", None),
        ("state=lost", "state", "'queued', 'running', 'succeeded', 'failed' or 'cancelled'"),
        ("dataset=image%20net", "dataset", "letters, digits and . _ -"),
        ("method=magic", "method", "'cartl'"),
        ("tag=%00", "tag", "letters, digits and . _ : = -"),
        ("cursor=nonsense", "cursor", "next_cursor"),
        ("cursor=WyJ4IiwgIngiXQ", "cursor", "next_cursor"),
    ],
)
def test_a_bad_filter_is_refused(client: TestClient, query: str, field: str, allowed: str | None) -> None:
    answer = client.get(f"/jobs?{query}")
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert error["field"] == field
    assert (error["allowed"] is None) == (allowed is None)
    assert allowed is None or allowed in error["allowed"]


def test_cancel_and_retry_follow_the_state_table(client: TestClient, small: dict[str, Any]) -> None:
    path = submit(client, small)["links"]["self"]
    refused = client.post(f"{path}/retry")
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/wrong-state"
    assert client.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert client.post(f"{path}/cancel").json()["state"] == "cancelled"
    again = client.post(f"{path}/retry").json()
    assert (again["state"], again["finished_at"]) == ("queued", None)


def test_a_running_job_is_asked_to_stop(client: TestClient, small: dict[str, Any], worker: Any) -> None:
    path = submit(client, small)["links"]["self"]
    claim = worker.claim()
    asked = client.post(f"{path}/cancel").json()
    assert (asked["state"], asked["cancel_requested"]) == ("running", True)
    worker.complete(claim)
    assert client.get(path).json()["state"] == "succeeded"
    assert client.post(f"{path}/cancel").status_code == 409
    assert client.post(f"{path}/retry").status_code == 409


def test_a_list_says_what_is_left_of_jobs_at_work(
    client: TestClient, small: dict[str, Any], worker: Any
) -> None:
    running, waiting = (submit(client, small)["id"] for _ in range(2))
    told = Progress(stage="transfer", label="student", fraction=0.5, seconds_left=3600.0)
    worker.tell(worker.claim(), told)
    left = {job["id"]: job["seconds_left"] for job in client.get("/jobs").json()["data"]}
    assert left[waiting] is None and 3000 < left[running] <= 3600


@pytest.mark.parametrize("job_id", ["nothing", "0" * 32, "%00", "..%2f..", "a" * 300, "é"])
def test_every_route_of_an_unknown_job_is_404(client: TestClient, job_id: str) -> None:
    answers = [
        client.get(f"/jobs/{job_id}{part}")
        for part in (
            "",
            "/events",
            "/metrics",
            "/logs",
            "/robustness",
            "/report",
            "/artifacts",
            "/artifacts/x",
        )
    ]
    answers += [client.post(f"/jobs/{job_id}/{verb}") for verb in ("cancel", "retry")]
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


def test_an_owner_may_queue_only_so_many(settings: Any, small: dict[str, Any]) -> None:
    from tests.api.conftest import local_client

    with local_client(settings.model_copy(update={"max_queued_per_owner": 1})) as client:
        submit(client, small)
        answer = client.post("/jobs", json=small)
    assert answer.status_code == 429
    assert answer.json()["type"] == "/problems/too-many-jobs"
