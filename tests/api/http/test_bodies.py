"""Every way a body can be wrong has its own clear answer, and nothing of it is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cartl_core.catalog import DATASETS
from cartl_core.strict_json import REQUEST

JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"

UNREADABLE = {
    "empty": (b"", "malformed-json"),
    "blank": (b"  \n", "malformed-json"),
    "cut short": (b'{"dataset": "digits"', "malformed-json"),
    "trailing comma": (b'{"dataset": "digits",}', "malformed-json"),
    "two values": (b"{} {}", "malformed-json"),
    "byte order mark": (b'\xef\xbb\xbf{"dataset": "digits"}', "malformed-json"),
    "not a number": (b'{"dataset": "digits", "freeze_depth": NaN}', "number-out-of-range"),
    "infinity": (b'{"dataset": "digits", "freeze_depth": -Infinity}', "number-out-of-range"),
    "beyond a double": (b'{"dataset": "digits", "freeze_depth": 1e999}', "number-out-of-range"),
    "endless digits": (b'{"freeze_depth": ' + b"9" * 6000 + b"}", "number-out-of-range"),
    "a key twice": (b'{"dataset": "digits", "freeze_depth": 2, "freeze_depth": 3}', "duplicate-key"),
    "a key twice inside": (b'{"dataset": {"name": "digits", "name": "mnist"}}', "duplicate-key"),
    "not utf-8": (b'{"dataset": "\xff\xfe"}', "invalid-text"),
    "latin-1": ('{"name": "café"}'.encode("latin-1"), "invalid-text"),
    "half a surrogate": (b'{"name": "\\ud800"}', "invalid-text"),
    "half a surrogate as a key": (b'{"\\udfff": 1}', "invalid-text"),
    "deep lists": (b'{"tags": ' + b"[" * 40 + b"]" * 40 + b"}", "too-deep"),
    "abyss": (b"[" * 200_000, "too-deep"),
    "deep objects": (b'{"a":' * 100_000, "too-deep"),
}


@pytest.mark.parametrize(("body", "kind"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_json_is_refused_as_such(client: TestClient, body: bytes, kind: str) -> None:
    answer = client.post("/jobs", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["type"] == f"/problems/{kind}"
    assert client.get("/jobs").json()["data"] == []


INVALID: dict[str, tuple[dict[str, Any], str, str]] = {
    "a boolean depth": ({"freeze_depth": True}, "freeze_depth", "integer, at least 0 or auto"),
    "a text depth": ({"freeze_depth": "3"}, "freeze_depth", "integer, at least 0 or auto"),
    "half a depth": ({"freeze_depth": 1.5}, "freeze_depth", "integer, at least 0 or auto"),
    "a depth below 0": ({"freeze_depth": -1}, "freeze_depth", "integer, at least 0 or auto"),
    "a depth above the blocks": ({"freeze_depth": 5}, "freeze_depth", "1 to 4"),
    "a huge depth": ({"freeze_depth": 10**30}, "freeze_depth", "1 to 4"),
    "no depth for cartl": ({"freeze_depth": 0}, "freeze_depth", "1 to 4"),
    "unknown data set": (
        {"dataset": "imagenet"},
        "dataset",
        f"{', '.join(DATASETS)}, or the name or id of a data set of your own",
    ),
    "unknown data set inside": ({"dataset": {"name": "imagenet"}}, "dataset.name", ", ".join(DATASETS)),
    "unknown class": ({"dataset": {"name": "digits", "classes": [8, 10]}}, "dataset.classes", "0 to 9"),
    "unknown network": ({"model": "wrn-17-2"}, "model", "wrn-16-2"),
    "unknown method": ({"method": "magic"}, "method", "vanilla, neft, cartl, consistent, lwf, adversarial"),
    "unknown field": ({"freezedepth": 3}, "freezedepth", "freeze_depth"),
    "unknown field inside": ({"evaluate": {"attack": []}}, "evaluate.attack", "attacks"),
    "seed out of range": ({"seed": 2**31}, "seed", "integer, 0 to 2147483647"),
    "a list as data set": ({"dataset": []}, "dataset", "digits"),
    "a bad tag": ({"tags": ["fine", "not fine"]}, "tags.1", "1 to 64 characters"),
    "too many tags": ({"tags": ["t"] * 33}, "tags", "at most 32 items"),
    "a null byte": ({"name": "a\x00b"}, "name", "1 to 200 characters"),
    "a setting of another method": (
        {"method": "vanilla", "transfer": {"beta": 0.4}},
        "transfer.beta",
        "cartl",
    ),
    "learning rate 0": ({"transfer": {"lr": 0}}, "transfer.lr", "more than 0"),
}


@pytest.mark.parametrize(("change", "field", "allowed"), INVALID.values(), ids=INVALID.keys())
def test_what_cannot_run_names_the_field_and_what_is_allowed(
    client: TestClient, small: dict[str, Any], change: dict[str, Any], field: str, allowed: str
) -> None:
    answer = client.post("/jobs", json=small | change)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == PROBLEM
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "instance", "errors"}
    assert (body["type"], body["status"], body["instance"]) == ("/problems/invalid", 422, "/jobs")
    assert body["errors"][0]["field"] == field
    assert allowed in body["errors"][0]["allowed"]
    assert client.get("/jobs").json()["data"] == []


@pytest.mark.parametrize("body", ["[]", '"digits"', "3", "null", "true"])
def test_a_body_that_is_no_object_is_refused(client: TestClient, body: str) -> None:
    answer = client.post("/jobs", content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body"


def test_all_missing_fields_are_named_at_once(client: TestClient) -> None:
    answer = client.post("/jobs", json={})
    assert [(error["field"], error["message"]) for error in answer.json()["errors"]] == [
        ("dataset", "this field is required"),
        ("freeze_depth", "this field is required"),
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": ""},
    ],
    ids=str,
)
def test_a_wrong_content_type_is_415(
    client: TestClient, small: dict[str, Any], headers: dict[str, str]
) -> None:
    answer = client.post("/jobs", content=json.dumps(small), headers=headers)
    assert answer.status_code == 415
    assert answer.json()["type"] == "/problems/wrong-content-type"
    assert answer.headers["accept-post"] == "application/json"


def test_json_of_a_vendor_type_with_a_charset_is_read(client: TestClient, small: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/vnd.cartl+json; charset=UTF-8"}
    answer = client.post("/jobs?dry_run=true", content=json.dumps(small), headers=headers)
    assert answer.status_code == 200


def test_too_large_a_body_is_413_whether_its_length_is_told_or_not(client: TestClient) -> None:
    large = b'{"name": "' + b"a" * 1_100_000 + b'"}'

    def chunks() -> Any:
        yield from (large[start : start + 65_536] for start in range(0, len(large), 65_536))

    for content in (large, chunks()):
        answer = client.post("/jobs", content=content, headers=JSON)
        assert answer.status_code == 413
        assert answer.json()["type"] == "/problems/body-too-large"
        assert "1048576" in answer.json()["detail"]


def test_nesting_up_to_the_limit_is_read(client: TestClient) -> None:
    body = b'{"tags": ' + b"[" * (REQUEST.depth - 1) + b"]" * (REQUEST.depth - 1) + b"}"
    assert client.post("/jobs", content=body, headers=JSON).status_code == 422
    deeper = b'{"tags": ' + b"[" * REQUEST.depth + b"]" * REQUEST.depth + b"}"
    assert client.post("/jobs", content=deeper, headers=JSON).json()["type"] == "/problems/too-deep"


def test_more_values_than_a_request_can_need_are_refused_unread(client: TestClient) -> None:
    keys = ",".join(f'"k{index}": 0' for index in range(60_000))
    for body in (f"{{{keys}}}", f'{{"tags": [{"0," * 400_000}0]}}', f'{{"tags": [{"0," * 1000}0]}}'):
        answer = client.post("/jobs", content=body, headers=JSON)
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/too-many-values")
    assert "tags" in answer.json()["detail"]


def test_commas_inside_of_a_text_are_no_values(client: TestClient, small: dict[str, Any]) -> None:
    answer = client.post("/jobs?dry_run=true", json=small | {"name": ",[" * 50_000 + '\\"'})
    assert answer.json()["errors"][0]["field"] == "name"


def test_a_fault_deep_in_the_body_is_told_by_its_path(client: TestClient) -> None:
    body = b'{"evaluate": {"attacks": [{"eps": 0.1}, {"eps": 1e999}]}}'
    assert "evaluate.attacks.1.eps" in client.post("/jobs", content=body, headers=JSON).json()["detail"]
