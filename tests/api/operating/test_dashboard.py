"""The dashboard that is shipped: it asks for what is exported, and Prometheus has an answer to each query."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = json.loads((ROOT / "docker/grafana/cartl.json").read_text())
GIVEN = {"up": {"job": "cartl"}, "ALERTS": {"alertstate": "firing", "alertname": "CartlDown"}}
"""Series of Prometheus itself."""
SELECTOR = re.compile(r"\b(cartl_\w+|up|ALERTS)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without) \(([^)]*)\)")
MINUTES = 90
Labels = dict[str, str]


def queries() -> list[tuple[str, str, str]]:
    """Title of the panel, query, legend."""
    panels = [
        (panel["title"], target["expr"], target["legendFormat"])
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    ]
    notes = [(note["name"], note["expr"], note["titleFormat"]) for note in DASHBOARD["annotations"]["list"]]
    return panels + notes


def exported(client: TestClient) -> dict[str, list[Labels]]:
    series: dict[str, list[Labels]] = {name: [labels] for name, labels in GIVEN.items()}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            series.setdefault(sample.name, []).append(sample.labels)
    return series


def matches(labels: Labels, wanted: list[tuple[str, str, str]]) -> bool:
    return all(
        bool(re.fullmatch(value, labels.get(name, ""))) if sign == "=~" else labels.get(name) == value
        for name, sign, value in wanted
    )


def test_each_query_asks_for_what_is_exported(busy: TestClient) -> None:
    series = exported(busy)
    for title, query, legend in queries():
        asked = SELECTOR.findall(query)
        assert asked, title
        names = {label for name, _ in asked for labels in series.get(name, []) for label in labels}
        for name, braces in asked:
            assert name in series, f"{title!r} asks for {name}"
            assert any(matches(labels, MATCHER.findall(braces)) for labels in series[name]), (
                f"{name}{{{braces}}}"
            )
        shown = {label for listed in GROUPING.findall(query) for label in re.findall(r"\w+", listed)}
        assert shown <= names, title
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= (shown or names), title


def test_every_figure_is_on_the_dashboard(busy: TestClient) -> None:
    asked = " ".join(query for _, query, _ in queries())
    missing = [name for name in exported(busy) if not re.search(rf"\b{name}\b", asked)]
    # When it was last claimed is in the alarm alone; the rate of claims is shown.
    assert set(missing) <= {"cartl_last_claim_timestamp_seconds"}


def test_panels_lie_side_by_side_and_have_names_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    for part in ("id", "title"):
        assert len({panel[part] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        own = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not own & taken and max(x for x, _ in own) < 24, panel["title"]
        taken |= own


def play(client: TestClient) -> dict[str, Any]:
    """A play for promtool: what the API exports, every minute, and the number of answers to each query."""
    text = client.get("/metrics").text
    names = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
    given = [f"{name}{json.dumps(labels)}" for name, labels in GIVEN.items()]
    given = [re.sub(r'"(\w+)": ', r"\1=", series) for series in given]
    return {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": f"1+1x{MINUTES}"} for name in [*names, *given]],
                "promql_expr_test": [
                    {
                        "expr": f"count({query}) > bool 0",
                        "eval_time": f"{MINUTES}m",
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    }
                    for _, query, _ in queries()
                ],
            }
        ],
    }


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus's own checker is not on PATH")
def test_prometheus_has_an_answer_to_each_query(busy: TestClient, tmp_path: Path) -> None:
    for change, expected in ((False, 0), (True, 1)):
        made = play(busy)
        if change:
            made["tests"][0]["promql_expr_test"][0]["expr"] = "count(cartl_jobz) > bool 0"
        (tmp_path / "play.yml").write_text(yaml.safe_dump(made))
        done = subprocess.run(
            ["promtool", "test", "rules", "play.yml"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expected, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus's own checker is not on PATH")
@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml"])
def test_prometheus_takes_each_configuration(name: str, tmp_path: Path) -> None:
    """With a key in the place that it names, which is there when it runs."""
    (tmp_path / "key").write_text("cartl_x_y")
    written = (ROOT / "docker/prometheus" / name).read_text()
    written = re.sub(r"credentials_file: [^}\s]+", f"credentials_file: {tmp_path / 'key'}", written)
    (tmp_path / "prometheus.yml").write_text(written)
    shutil.copy(ROOT / "docker/prometheus/alerts.yml", tmp_path)
    done = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
