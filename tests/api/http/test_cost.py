"""No body costs much more than a good one: for each field of each request, the worst that may stand in it.

Processor time is measured beside that of a good request, with a generous bound: what this is about took
thousands of times as long.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api.http.body import parse
from api.http.problems import Problem
from api.routes.keys import KeyRequest
from api.submission import nothing_found, submission_of
from api.sweep_submission import sweep_of
from cartl_core.spec import JobRequest
from cartl_core.spec.existing_network import EvaluateJobRequest
from cartl_core.spec.resources.dataset import NewDataset
from cartl_core.spec.resources.teacher import NewTeacher
from cartl_core.spec.sweep import SweepRequest
from cartl_core.strict_json import SMALL
from jobs.settings import Settings

SETTINGS = Settings()
LEAST = {"dataset": "digits", "freeze_depth": 2}
OF_KIND: dict[str, tuple[Any, dict[str, Any], Callable[[bytes], object]]] = {
    "job": (JobRequest, LEAST, lambda body: submission_of(body, SETTINGS, nothing_found)),
    "evaluation": (
        EvaluateJobRequest,
        {"kind": "evaluate", "dataset": "digits", "network": {"job": "1"}},
        lambda body: submission_of(body, SETTINGS, nothing_found),
    ),
    "sweep": (SweepRequest, {"base": LEAST, "grid": {"seed": [1, 2]}}, lambda body: sweep_of(body, SETTINGS)),
    "data set": (NewDataset, {"name": "a", "size": 1}, lambda body: parse(NewDataset, body)),
    "teacher": (NewTeacher, {"name": "a", "size": 1}, lambda body: parse(NewTeacher, body)),
    "key": (KeyRequest, {"owner": "ann"}, lambda body: parse(KeyRequest, body, SMALL)),
}
MIB = 1024 * 1024
WORST: dict[str, str] = {
    "digits": "9" * (MIB - 1000),
    "digits of a fraction": "0." + "9" * (MIB - 1000),
    "an exponent": "1e" + "9" * (MIB - 1000),
    "a long text": '"' + "x" * (MIB - 1000) + '"',
    "escapes": '"' + "\\u00e9" * 170_000 + '"',
    "quotes without end": '"' + '\\"' * 500_000,
    "depth": "[" * 500_000 + "]" * 500_000,
    "numbers": "[" + "0," * 500_000 + "0]",
    "as many numbers as are read": "[" + "0," * 999 + "0]",
    "empty objects": "[" + "{}," * 300_000 + "{}]",
    "as many objects as are read": "[" + ",".join(["{}"] * 1000) + "]",
    "objects of unknown fields": "["
    + ",".join(['{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8}'] * 1000)
    + "]",
    "names": "[" + ",".join(['"vanilla"'] * 1000) + "]",
    "attacks": "["
    + ",".join(f'{{"label":"a{n}","eps":0.1,"step":0.1,"steps":3}}' for n in range(1000))
    + "]",
    "fields": "{" + ",".join(f'"k{n}":0' for n in range(60_000)) + "}",
    "as many fields as are read": "{" + ",".join(f'"k{n}":0' for n in range(1000)) + "}",
    "a long key": '{"' + "k" * (MIB - 1000) + '": 0}',
}
BOUND_SECONDS = 0.5
BOUND_RATIO = 100


def places(schema: dict[str, Any], root: dict[str, Any], depth: int = 0) -> Iterator[tuple[str, ...]]:
    """The path of every field of a request, through objects; lists count as fields."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    for branch in schema.get("anyOf", ()):
        yield from places(branch, root, depth)
    for name, inner in schema.get("properties", {}).items():
        yield (name,)
        if depth < 4:
            yield from ((name, *rest) for rest in places(inner, root, depth + 1))


def put(body: dict[str, Any], path: tuple[str, ...]) -> str:
    """The body as JSON with a mark at ``path``."""
    made: dict[str, Any] = json.loads(json.dumps(body))
    inside = made
    for step in path[:-1]:
        found = inside.get(step)
        inside[step] = {"name": found} if isinstance(found, str) else found if isinstance(found, dict) else {}
        inside = inside[step]
    inside[path[-1]] = "MARK"
    return json.dumps(made)


def cost(read: Callable[[bytes], object], body: bytes) -> float:
    began = time.process_time()
    try:
        read(body)
    except Problem as problem:
        assert len(problem.errors) <= 20
        assert len(problem.detail) < 2000 and all(len(error.field) <= 200 for error in problem.errors)
    return time.process_time() - began


@pytest.mark.parametrize("kind", OF_KIND)
def test_the_worst_of_each_field_costs_little(kind: str) -> None:
    model, good, read = OF_KIND[kind]
    schema = model.model_json_schema()
    paths = sorted(set(places(schema, schema)))
    assert len(paths) > 2
    cost(read, json.dumps(good).encode())  # schemas are made once
    least = max(cost(read, json.dumps(good).encode()) for _ in range(3))
    bound = max(BOUND_SECONDS, BOUND_RATIO * least)
    # What is refused unread costs the same wherever it stands: one field shows it.
    large = [name for name, text in WORST.items() if len(text) > MIB / 4]
    for number, path in enumerate(paths):
        body = put(good, path)
        for name, text in WORST.items():
            if name in large and number % 20:
                continue
            # A processor that others use as well is slow for a moment: what is costly is costly again.
            written = body.replace('"MARK"', text).encode()
            assert any(cost(read, written) < bound for _ in range(3)), (path, name, least)


def test_many_faults_in_many_places_cost_little() -> None:
    unknown = {f"k{n}": 0 for n in range(90)}
    many: dict[str, Any] = {**LEAST, **unknown}
    for part in ("pretrain", "transfer", "evaluate", "auto"):
        many[part] = dict(unknown)
    many["evaluate"] |= {
        name: dict(unknown) for name in ("curve", "corruptions", "checks", "audit", "gallery")
    }
    many["baselines"] = [{"method": "cartl", **unknown}] * 20
    many["auto"]["candidates"] = [{"method": "cartl", **unknown}] * 50
    read = OF_KIND["job"][2]
    assert cost(read, json.dumps(many).encode()) < BOUND_SECONDS
