"""What Prometheus is told, and that the alarms that are shipped ask for nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from cartl_core.events import StageFinished
from jobs.settings import Settings
from tests.api.conftest import local_client

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "docker/prometheus/alerts.yml"
# Of Prometheus itself, for each scrape.
GIVEN = {"up"}


def samples(client: TestClient) -> dict[str, float]:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_metrics_count_jobs_claims_and_recoveries(busy: TestClient) -> None:
    seen = samples(busy)
    assert seen['cartl_jobs{state="queued"}'] == 2
    assert seen['cartl_jobs{state="running"}'] == 1
    assert seen['cartl_jobs{state="failed"}'] == 0
    assert [seen[f'cartl_tasks{{state="{state}"}}'] for state in ("queued", "running", "failed")] == [1, 1, 0]
    assert seen["cartl_claimable_jobs"] == 2
    assert 0 <= seen["cartl_oldest_queued_seconds"] < 60
    assert seen["cartl_claims_total"] == 2
    assert abs(seen["cartl_last_claim_timestamp_seconds"] - time.time()) < 60
    assert seen['cartl_recoveries_total{why="child_lost"}'] == 1
    assert seen['cartl_recoveries_total{why="lease_expired"}'] == 0
    assert (seen["cartl_workers"], seen["cartl_slots"]) == (1, 2)
    assert abs(seen["cartl_last_heartbeat_timestamp_seconds"] - time.time()) < 60
    assert 0 <= seen["cartl_longest_silence_seconds"] < 60
    assert seen["cartl_broker_up"] == 1
    assert seen['cartl_stages_computed_last_day{stage="pretrain"}'] == 3
    assert seen['cartl_stages_computed_last_day{stage="evaluate"}'] == 0
    assert seen['cartl_stage_seconds{quantile="0.5",stage="pretrain"}'] == 4
    assert seen['cartl_stage_seconds{quantile="1",stage="pretrain"}'] == 9


def test_one_stage_is_its_own_median(client: TestClient, small: dict[str, Any], worker: Any) -> None:
    client.post("/jobs", json=small)
    worker.tell(
        worker.claim(), StageFinished(stage="transfer", label="x", digest="d", reused=False, seconds=3.0)
    )
    seen = samples(client)
    assert {
        seen[f'cartl_stage_seconds{{quantile="{q}",stage="transfer"}}'] for q in ("0.5", "0.95", "1")
    } == {3}


def test_a_broker_that_is_away_is_a_figure(settings: Settings) -> None:
    away = settings.model_copy(update={"broker_url": "redis://127.0.0.1:9/0"})
    with local_client(away) as client:
        assert samples(client)["cartl_broker_up"] == 0
        assert client.get("/readyz").json()["status"] == "degraded"


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_each_alarm_asks_for_what_is_exported(busy: TestClient) -> None:
    exported: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(busy.get("/metrics").text):
        for sample in family.samples:
            exported.setdefault(sample.name, []).append(sample.labels)
    for rule in rules():
        asked = re.findall(r"\b(cartl_\w+|up)\b(?:\{([^}]*)\})?", re.sub(r'"[^"]*"', "_", rule["expr"]))
        assert asked, rule["alert"]
        for name, _ in asked:
            assert name in GIVEN or name in exported, f"{rule['alert']} asks for {name}"
        for name, labels in re.findall(r"\b(cartl_\w+)\{([^}]*)\}", rule["expr"]):
            wanted = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            assert any(wanted.items() <= found.items() for found in exported[name]), f"{name}{{{labels}}}"


def test_alarms_are_named_once_explained_and_documented() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    told = (ROOT / "docs/how-to/operate.md").read_text()
    for rule in rules():
        assert f"`{rule['alert']}`" in told
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_each_figure_is_documented(busy: TestClient) -> None:
    told = (ROOT / "docs/how-to/operate.md").read_text()
    for family in text_string_to_metric_families(busy.get("/metrics").text):
        assert f"`{family.name}" in told, family.name


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus's own checker is not on PATH")
@pytest.mark.parametrize("command", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]])
def test_prometheus_itself_plays_the_alarms(command: list[str]) -> None:
    done = subprocess.run(
        ["promtool", *command], cwd=RULES.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
