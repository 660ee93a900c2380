"""What a refusal says: the field that was written, one message for it, what is allowed, no contradiction.

Every pair of changes of a small request is tried: what one field allows may hang on another.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from api.http.body import parse
from api.http.patterns import PATTERNS
from api.http.problems import FieldError, Problem
from api.routes.keys import KeyRequest
from api.submission import prepare
from cartl_core.spec import JobRequest
from cartl_core.spec.existing_network import EvaluateJobRequest
from cartl_core.spec.faults import fields_in, is_written
from cartl_core.spec.resources.dataset import NewDataset
from cartl_core.spec.resources.teacher import NewTeacher
from cartl_core.spec.sweep import SweepRequest
from jobs.settings import Settings

ATTACK = {"label": "a", "eps": 0.1, "step": 0.05, "steps": 2}
CHANGES: list[dict[str, Any]] = [
    *({"method": name} for name in ("vanilla", "neft", "lwf", "consistent", "adversarial", "auto", "magic")),
    *({"freeze_depth": depth} for depth in (0, 5, 99, "auto", "all", None)),
    *({"dataset": {"name": "digits", "classes": labels}} for labels in ([5, 6], [5, 5], [5, 99], [5], ["5"])),
    {"source": "digits"},
    {"source": {"name": "mnist", "train_limit": 1}},
    {"model": "vgg"},
    {"model": {"name": "tiny", "channels": 1}},
    {"dataset": "cifar10"},
    {"preset": "paper"},
    {"name": "a\nb"},
    {"tags": ["a b"]},
    {"tags": "a"},
    *({"pretrain": {"attack": {"eps": eps}}} for eps in (0, 5e-324, 8, -1, "8", None)),
    {"pretrain": {"attack": {"norm": "l2"}}},
    {"pretrain": {"epochs": 999_999}},
    {"pretrain": {"epochs": 1.5}},
    {"pretrain": {"fdm_weight": 1}},
    {"pretrain": {"objective": "at"}},
    {"transfer": {"augmentation": "crop_flip"}},
    {"transfer": {"noise_sigma": 0.1}},
    {"transfer": {"trunk_statistics": "running"}},
    {"transfer": {"displacement": {"steps": 3}}},
    {"transfer": {"displacement": {"eps": 0}}},
    {"transfer": {"attack": {"steps": 1}}},
    {"transfer": {"norm": "operator", "beta": 2}},
    {"transfer": {"lwf_head_epochs": 900}},
    {"transfer": {"milestones": [2]}},
    {"evaluate": {"attacks": [{**ATTACK, "eps": 8}]}},
    *({"evaluate": {"attacks": [{**ATTACK, "eps": eps, "norm": "l2"}]}} for eps in (-1, None, 500)),
    *({"evaluate": {"attacks": [{**ATTACK, "step": step}]}} for step in (0, 8, "1")),
    {"evaluate": {"attacks": [{**ATTACK, "label": "A B"}]}},
    {"evaluate": {"attacks": [{**ATTACK, "name": "fab"}]}},
    {"evaluate": {"attacks": [{**ATTACK, "loss": "targeted_dlr", "name": "apgd"}]}},
    {"evaluate": {"attacks": [ATTACK, ATTACK]}},
    {"evaluate": {"attacks": [{}]}},
    {"evaluate": {"attacks": [5]}},
    {"evaluate": {"preset": "autoattack"}},
    {"evaluate": {"curve": {"norm": "l2"}}},
    {"evaluate": {"curve": {"steps": 1}}},
    {"evaluate": {"curve": {"eps": [2, 1]}}},
    {"evaluate": {"curve": {"eps": [0.1, 3]}}},
    {"evaluate": {"curve": {"expected_to": 1.0, "eps": [0.5]}}},
    {"evaluate": {"gallery": {"norm": "l2"}}},
    {"evaluate": {"gallery": {"eps": 0}}},
    {"evaluate": {"checks": {"attack": {**ATTACK, "loss": "dlr"}}}},
    {"evaluate": {"corruptions": {"severities": [1, 1]}}},
    {"evaluate": {"smoothing": {}}},
    {"evaluate": {"audit": {"radii": [1, 1]}}},
    {"baselines": ["cartl"]},
    {"baselines": ["magic"]},
    {"baselines": [{"method": "consistent", "freeze_depth": 2}]},
    {"baselines": [{"method": "neft", "transfer": {"norm": "operator", "beta": 2}}]},
    {"auto": {"candidates": ["cartl", "lwf"]}},
    {"auto": {"candidates": []}},
    {"auto": {"attack": {"eps": 8}}},
    {"seed": -1},
    {"device": "tpu"},
    {"evaluate": []},
    {"unknown": 1},
]
OF_PYTHON = re.compile(
    r"Input should|dictionary|[Tt]uple|NoneType|instance|\bstr\b|pattern|regex|\^\[|Value error|Literal"
)


def merged(*changes: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"dataset": {"name": "digits", "classes": [5, 6, 7]}, "freeze_depth": 2}
    for change in changes:
        for name, value in change.items():
            both = isinstance(value, dict) and isinstance(body.get(name), dict) and name != "dataset"
            body[name] = {**body[name], **value} if both else value
    return body


def faults(body: Any) -> tuple[FieldError, ...]:
    try:
        prepare(body, Settings(max_epochs=60))
    except Problem as problem:
        return problem.errors
    return ()


def is_about_what_was_written(error: FieldError, body: Any) -> bool:
    if error.field == "body" or is_written(error.field, body):
        return True
    if error.message.startswith("this field is required"):
        return "." not in error.field or is_written(error.field.rpartition(".")[0], body)
    named = any(is_written(field, body) for field in fields_in(error.message))
    return named or "comes from the preset" in error.message or "comes from `preset`" in error.message


def check(errors: tuple[FieldError, ...], body: Any) -> None:
    assert len({error.field for error in errors}) == len(errors)
    for error in errors:
        told = f"{error.message} {error.allowed or ''}"
        assert is_about_what_was_written(error, body), (error, body)
        assert not OF_PYTHON.search(told), (error, body)
        assert error.message and len(told) < 600
        for bound in re.findall(r"at most (\d+(?:\.\d+)?)", error.message):
            assert error.allowed is None or f"{float(bound):g}" in error.allowed, (error, body)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_every_pair_of_changes_is_refused_in_terms_of_what_was_written(change: dict[str, Any]) -> None:
    for other in CHANGES:
        body = merged(change, other)
        check(faults(body), body)


def test_most_of_the_changes_are_refused_at_all() -> None:
    assert sum(bool(faults(merged(change))) for change in CHANGES) > len(CHANGES) / 2


@pytest.mark.parametrize(
    ("change", "field", "said", "allowed"),
    [
        (
            {"method": "consistent", "pretrain": {"attack": {"eps": 0}}},
            "pretrain.attack.eps",
            "it is 0",
            "more than 0",
        ),
        (
            {"evaluate": {"attacks": [{**ATTACK, "eps": 8}]}},
            "evaluate.attacks.0.eps",
            "room",
            "0 to 1 in linf",
        ),
        ({"method": "consistent", "transfer": {"noise_sigma": 0.1}}, "transfer.noise_sigma", "stay", "null"),
        ({"tags": ["a b"]}, "tags.0", "another form", "letters, digits"),
        ({"evaluate": []}, "evaluate", "an object is expected", "object"),
        ({"evaluate": {"curve": {"steps": 1}}}, "evaluate.curve.steps", "single step", "2 or more"),
        ({"preset": "paper", "method": "cartl"}, "pretrain.epochs", "comes from `preset`, paper", "1 to 60"),
    ],
)
def test_the_field_is_the_one_to_change(change: dict[str, Any], field: str, said: str, allowed: str) -> None:
    (error, *_) = faults(merged(change))
    assert (error.field, said in error.message, allowed in (error.allowed or "")) == (field, True, True), (
        error
    )


@pytest.mark.parametrize(
    "model", [JobRequest, EvaluateJobRequest, SweepRequest, KeyRequest, NewDataset, NewTeacher]
)
def test_every_pattern_of_a_request_has_words(model: Any) -> None:
    def patterns(node: object) -> set[str]:
        if isinstance(node, list):
            return set().union(*map(patterns, node))
        if not isinstance(node, dict):
            return set()
        own = {node["pattern"]} if isinstance(node.get("pattern"), str) else set()
        return own.union(*map(patterns, node.values()))

    found = patterns(model.model_json_schema())
    assert found and found <= set(PATTERNS)


def test_a_key_is_refused_in_words() -> None:
    with pytest.raises(Problem) as refused:
        parse(KeyRequest, b'{"owner": "a b", "role": "root", "name": 3}')
    check(refused.value.errors, {"owner": "a b", "role": "root", "name": 3})
    assert [error.field for error in refused.value.errors] == ["owner", "role", "name"]
