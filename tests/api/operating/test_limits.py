from __future__ import annotations

from typing import Any

import pytest

from jobs.settings import Settings
from tests.api.conftest import local_client


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_job_that_is_too_large_is_told_its_range(settings: Settings, small: dict[str, Any]) -> None:
    with local_client(settings.model_copy(update={"max_epochs": 5, "max_job_exaflop": 1e-6})) as client:
        assert client.post("/jobs", json=small).status_code == 201
        refused = client.post("/jobs", json=small | {"pretrain": {"epochs": 6}})
        assert refused.status_code == 422
        assert refused.headers["content-type"] == "application/problem+json"
        (fault,) = refused.json()["errors"]
        assert (fault["field"], fault["allowed"]) == ("pretrain.epochs", "1 to 5")
        heavy = client.post("/jobs", json=small | {"model": "wrn-100-20", "transfer": {"epochs": 5}})
        assert heavy.status_code == 422
        (fault,) = heavy.json()["errors"]
        assert (fault["field"], fault["allowed"]) == ("body", "at most 1e-06 EFLOP")
        assert len(client.get("/jobs").json()["data"]) == 1


def test_a_full_queue_is_told_its_limit(settings: Settings, small: dict[str, Any]) -> None:
    with local_client(settings.model_copy(update={"max_queued_per_owner": 1})) as client:
        first = client.post("/jobs", json=small).json()["id"]
        full = client.post("/jobs", json=small)
        assert full.status_code == 429 and full.json()["type"] == "/problems/too-many-jobs"
        assert "at most 1" in full.json()["detail"]
        client.post(f"/jobs/{first}/cancel")
        assert client.post("/jobs", json=small).status_code == 201
        again = client.post(f"/jobs/{first}/retry")
        assert again.status_code == 429 and "at most 1" in again.json()["detail"]
