"""The OpenAPI document is complete and true, its examples run, and the pages for people need nothing else."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.http.problems import KINDS
from api.openapi import EXAMPLES
from cartl_core.catalog import DATASETS, EVALUATIONS, METHODS, PRESETS
from cartl_core.spec import JobRequest
from cartl_core.spec.existing_network import EvaluateJobRequest
from cartl_core.spec.measures.attack import ATTACKS

OPEN = {"/healthz", "/readyz"}


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    wanted = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert wanted - set(document["components"]["schemas"]) == set()
    assert "x-stands-for" not in text


def test_every_operation_tells_what_it_does_and_how_it_fails(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) >= 20
    for path, method, operation in operations(document):
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        failures = {status for status in operation["responses"] if status >= "400"}
        if path not in OPEN:
            assert failures >= {"401", "403", "429", "500", "503"}, (path, method)
        for status in failures:
            content = operation["responses"][status]["content"]
            assert content == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }, (path, method, status)


def test_the_body_of_a_job_is_described_whole(document: dict[str, Any]) -> None:
    described = document["components"]["schemas"]["JobRequest"]["properties"]
    assert set(described) == set(JobRequest.model_fields)
    body = document["paths"]["/jobs"]["post"]["requestBody"]
    assert body["required"]
    kinds = [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in (JobRequest, EvaluateJobRequest)]
    assert body["content"]["application/json"]["schema"] == {"anyOf": kinds}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_every_example_runs(client: TestClient, example: dict[str, Any]) -> None:
    dry = client.post("/jobs?dry_run=true", json=example["value"])
    if "network" in example["value"]:
        # All is right but the id: the network of an example is nobody's.
        assert [fault["field"] for fault in dry.json()["errors"]] == ["network.job"]
        return
    assert dry.status_code == 200
    assert client.post("/jobs", json=example["value"]).status_code == 201


@pytest.mark.parametrize("path", ["/problems", "/problems/invalid"])
def test_pages_load_nothing_and_run_nothing(client: TestClient, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert not re.findall(r'(?:src|href)="(?!/)', page.text)


def test_the_documentation_shows_every_operation_with_a_form_to_try_it(
    client: TestClient, document: dict[str, Any]
) -> None:
    answer = client.get("/docs")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert not re.findall(r'(?:src|href)="(?!/|data:,|#)', answer.text)
    page = html.unescape(answer.text)
    for path, method, operation in operations(document):
        assert f'data-try="{path}" data-method="{method.upper()}"' in page
        assert operation["summary"] in page
        for parameter in operation.get("parameters", []):
            assert f'id="{operation["operationId"]}-{parameter["name"]}"' in page
    for example in EXAMPLES.values():
        assert json.dumps(example["value"], indent=2, sort_keys=True) in page
    assert set(JobRequest.model_fields) <= set(re.findall(r"<code>(\w+)</code></th>", page))


def test_every_kind_of_problem_is_explained(client: TestClient) -> None:
    page = client.get("/problems").text
    for kind in KINDS.values():
        assert f"/problems/{kind.name}" in page
        assert client.get(f"/problems/{kind.name}").status_code == 200
    assert client.get("/problems/nonsense").status_code == 404


def test_the_index_leads_to_everything(client: TestClient) -> None:
    links = client.get("/").json()
    paths = [value for value in links.values() if value.startswith("/")]
    assert {client.get(path).status_code for path in paths} == {200}
    page = client.get("/", headers={"Accept": "text/html"})
    assert (page.url.path, page.status_code) == ("/ui/jobs", 200)


def test_the_catalog_is_told(client: TestClient) -> None:
    datasets = {one["name"]: one for one in client.get("/datasets").json()["data"]}
    assert set(datasets) == set(DATASETS)
    assert datasets["svhn"]["train_eps"] == pytest.approx(8 / 255)
    models = {one["name"]: one for one in client.get("/models").json()["data"]}
    assert models["wrn-28-10"]["freeze_depth_max"] == models["wrn-28-10"]["blocks"] - 1 == 13
    attacks = client.get("/attacks").json()
    known = {one["name"]: one for one in attacks["data"]}
    assert set(known) == set(ATTACKS)
    assert known["pgd"]["norms"] == ["linf", "l2", "l1"]
    assert known["pgd"]["losses"][0] == "ce"
    assert "step" in known["pgd"]["parameters"]
    assert known["pgd"]["largest_eps"]["linf"] == 1.0
    assert known["fab"]["losses"] == ["targeted_margin"]
    standard, ensemble = attacks["ensembles"]
    assert (standard["name"], ensemble["name"]) == ("autoattack", "ensemble")
    assert [one["label"] for one in standard["members"]] == [
        "aa-apgd-ce",
        "aa-apgd-t",
        "aa-fab-t",
        "aa-square",
    ]
    assert standard["least_classes"] == 4
    assert standard["norms"] == ["linf", "l2", "l1"]
    assert [one["in_l1"] for one in standard["members"]] == [{"restarts": 5}, {"targets": 5}, {}, {}]
    evaluations = {one["name"]: one for one in attacks["evaluations"]}
    assert set(evaluations) == set(EVALUATIONS)
    assert evaluations["autoattack"]["attacks"] == [one["label"] for one in standard["members"]]
    assert evaluations["pgd100"]["attacks"] == ["pgd20", "pgd100"]
    assert {"curve", "corruptions"} <= set(evaluations["pgd100"]["probes"])
    corruptions = {one["name"]: one for one in attacks["corruptions"]}
    assert corruptions["jpeg"]["constants"] == [80, 65, 58, 50, 40]
    assert corruptions["fog"]["random"]
    assert {one["name"] for one in attacks["methods"]} == set(METHODS)
    assert {one["name"] for one in attacks["presets"]} == set(PRESETS)
    assert [one["name"] for one in attacks["presets"] if one["default"]] == ["quick"]
    assert client.get("/teachers").json() == {"data": [], "next_cursor": None}
