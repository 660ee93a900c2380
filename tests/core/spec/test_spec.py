from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cartl_core.catalog import DATASETS
from cartl_core.planning.resolve import resolve
from cartl_core.spec import (
    AttackSpec,
    DataRequest,
    JobRequest,
    JobSpec,
    Runtime,
    canonical_json,
    digest,
)
from tests.fixtures.requests import pretrain_of

LEAST: dict[str, Any] = {"dataset": "fashion_mnist", "freeze_depth": 3}


def request_with(path: str, value: Any) -> dict[str, Any]:
    """The least request with ``value`` at a dotted path."""
    whole = json.loads(json.dumps(LEAST))
    at = whole
    *parents, last = path.split(".")
    for parent in parents:
        at = at.setdefault(parent, {})
    at[last] = value
    result: dict[str, Any] = whole
    return result


def faults(text: str) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        JobRequest.model_validate_json(text)
    return [".".join(str(step) for step in fault["loc"]) for fault in caught.value.errors()]


INTEGERS = [
    "freeze_depth",
    "seed",
    "pretrain.epochs",
    "pretrain.batch_size",
    "pretrain.attack.steps",
    "transfer.lwf_head_epochs",
    "evaluate.test_limit",
]
FLOATS = [
    "pretrain.lr",
    "pretrain.fdm_weight",
    "pretrain.attack.eps",
    "transfer.beta",
    "transfer.weight_decay",
]
NO_INTEGERS = ["true", '"3"', "1.5", "1.0", "1e2", "NaN", "Infinity", "1e400", "[]", "{}", '""', "-1"]
NO_FLOATS = ["true", '"0.1"', "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "[]", "{}", "-0.1", "1e9"]


@pytest.mark.parametrize("written", NO_INTEGERS)
@pytest.mark.parametrize("path", INTEGERS)
def test_what_is_no_integer(path: str, written: str) -> None:
    text = json.dumps(request_with(path, "@")).replace('"@"', written)
    assert faults(text) == [path]


@pytest.mark.parametrize("written", NO_FLOATS)
@pytest.mark.parametrize("path", FLOATS)
def test_what_is_no_float(path: str, written: str) -> None:
    text = json.dumps(request_with(path, "@")).replace('"@"', written)
    assert faults(text) == [path]


def test_null_is_no_freeze_depth_and_no_data_set() -> None:
    assert faults('{"dataset": "mnist", "freeze_depth": null}') == ["freeze_depth"]
    assert faults('{"dataset": null, "freeze_depth": 1}') == ["dataset"]


@pytest.mark.parametrize("value", [nan, inf, -inf, 10**400, True, "1"])
def test_the_same_holds_for_values_of_python(value: Any) -> None:
    with pytest.raises(ValidationError):
        JobRequest.model_validate(request_with("pretrain.lr", value))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"freezedepth": 3}, "freezedepth"),
        ({"pretrain": {"eps": 0.1}}, "pretrain.eps"),
        ({"transfer": {"attack": {"norm": "l7"}}}, "transfer.attack.norm"),
        ({"evaluate": {"attacks": [{"label": "a", "eps": 0.1, "step": 0.1}]}}, "evaluate.attacks.0.steps"),
        (
            {"evaluate": {"attacks": [{"label": "A b", "eps": 0.1, "step": 0.1, "steps": 1}]}},
            "evaluate.attacks.0.label",
        ),
        ({"pretrain": {"attack": {"norm": "l2"}}}, "pretrain.attack.norm"),
        ({"transfer": {"attack": {"loss": "dlr"}}}, "transfer.attack.loss"),
        ({"transfer": {"attack": {"eps": 1.5}}}, "transfer.attack.eps"),
        ({"dataset": {"name": "mnist", "class": [1]}}, "dataset.class"),
        ({"dataset": {"name": "mnist", "classes": [1]}}, "dataset.classes"),
        ({"dataset": {"name": "mnist", "classes": [1, True, 2]}}, "dataset.classes.1"),
        ({"dataset": {"name": "mnist", "classes": [1, -1, 2]}}, "dataset.classes.1"),
        ({"dataset": {"name": "mnist", "classes": "12"}}, "dataset.classes"),
        ({"dataset": {"name": "mnist", "train_limit": 9}}, "dataset.train_limit"),
        ({"dataset": {"name": "mnist", "validation_fraction": 0}}, "dataset.validation_fraction"),
        ({"dataset": ["mnist"]}, "dataset"),
        ({"model": {"name": "tiny", "stem_stride": 3}}, "model.stem_stride"),
        ({"model": {"name": "tiny", "channels": 2}}, "model.channels"),
        ({"model": {"name": "tiny", "image_size": 7}}, "model.image_size"),
        ({"model": {"stem_stride": 2}}, "model.name"),
        ({"baselines": ["magic"]}, "baselines.0.method"),
        ({"baselines": ["vanilla"] * 9}, "baselines"),
        ({"baselines": [{"method": "neft", "beta": 0.3}]}, "baselines.0.beta"),
        ({"tags": ["a b"]}, "tags.0"),
        ({"tags": ["-a"]}, "tags.0"),
        ({"tags": ["a"] * 33}, "tags"),
        ({"name": ""}, "name"),
        ({"name": "line\nbreak"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"device": "tpu"}, "device"),
        ({"preset": "fast"}, "preset"),
        ({"kind": "sweep"}, "kind"),
        ({"seed": 2**31}, "seed"),
    ],
)
def test_every_fault_names_its_field(changes: dict[str, Any], field: str) -> None:
    assert faults(json.dumps({**LEAST, **changes})) == [field]


def test_two_faults_are_both_named() -> None:
    assert faults('{"dataset": "image net", "freeze_depth": true}') == ["dataset.name", "freeze_depth"]


def test_a_bare_name_stands_for_the_whole() -> None:
    request = JobRequest.model_validate({**LEAST, "source": "mnist", "model": "tiny", "baselines": ["neft"]})
    assert request.dataset == DataRequest(name="fashion_mnist")
    assert request.source == DataRequest(name="mnist")
    assert request.model is not None
    assert request.model.name == "tiny"
    assert request.baselines[0].method == "neft"


def test_values_are_frozen() -> None:
    request = JobRequest.model_validate(LEAST)
    with pytest.raises(ValidationError, match="frozen"):
        request.seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        request.dataset.name = "mnist"  # type: ignore[misc]


def test_the_jobs_own_arm_comes_first() -> None:
    spec = resolve(JobRequest.model_validate({**LEAST, "baselines": ["neft", "lwf"]}))
    assert [arm.method for arm in spec.arms] == ["cartl", "neft", "lwf"]
    assert spec.arms[0] == spec.arm
    assert spec.arm.transfer == spec.transfer


@pytest.mark.parametrize("kind", [JobRequest, JobSpec, Runtime])
def test_json_schemas_can_be_drawn(kind: type[JobRequest] | type[JobSpec] | type[Runtime]) -> None:
    schema = kind.model_json_schema()
    assert schema["additionalProperties"] is False
    assert "description" in schema


def test_the_schema_of_a_data_set_allows_a_name_and_an_object() -> None:
    schema = JobRequest.model_json_schema()
    offered = json.dumps(schema["properties"]["dataset"])
    assert "DataRequest" in offered
    described = schema["$defs"]["DataRequest"]["properties"]["name"]["description"]
    assert all(name in described for name in DATASETS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_canonical_json_is_one_text_per_value(value: dict[str, Any]) -> None:
    shuffled = dict(reversed(list(value.items())))
    text = canonical_json(value)
    assert canonical_json(shuffled) == text
    assert json.loads(text) == value
    assert digest(shuffled) == digest(value)
    assert len(digest(value)) == 64


def test_a_digest_sees_every_field() -> None:
    attack = AttackSpec(label="a", eps=0.1, step=0.01, steps=5)
    changed = {"label": "b", "eps": 0.2, "step": 0.02, "steps": 6, "restarts": 2, "random_start": False}
    digests = {digest(attack)} | {
        digest(attack.model_copy(update={field: value})) for field, value in changed.items()
    }
    assert len(digests) == 1 + len(changed)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"eps": 1.5}, "eps"),
        ({"step": 1.5}, "step"),
        ({"norm": "l2", "eps": 667.0}, "eps"),
        ({"norm": "l1", "eps": 1e6}, "eps"),
        ({"norm": "l2", "eps": 2.0, "step": 667.0}, "step"),
        ({"step": None}, "step"),
        ({"name": "fgsm"}, "name"),
        ({"loss": "hinge"}, "loss"),
        ({"loss": "targeted_dlr"}, "loss"),
        ({"name": "apgd"}, "step"),
        ({"name": "fab", "step": None, "norm": "l0"}, "norm"),
        ({"targets": 5}, "targets"),
        ({"name": "fab", "step": None, "targets": 10}, "targets"),
        ({"name": "apgd", "step": None, "loss": "margin"}, "loss"),
        ({"name": "square", "step": None, "loss": "ce"}, "loss"),
        ({"name": "square", "step": None, "random_start": False}, "random_start"),
    ],
)
def test_an_attack_takes_what_its_norm_and_name_allow(changes: dict[str, Any], field: str) -> None:
    attack = {"label": "a", "eps": 0.1, "step": 0.1, "steps": 1, **changes}
    assert faults(json.dumps({**LEAST, "evaluate": {"attacks": [attack]}})) == [f"evaluate.attacks.0.{field}"]


def test_a_step_that_is_left_out_is_missed_where_the_attack_needs_it() -> None:
    written = {**LEAST, "evaluate": {"attacks": [{"label": "a", "eps": 0.1, "steps": 1}]}}
    assert faults(json.dumps(written)) == ["evaluate.attacks.0.step"]


def test_an_attack_that_sizes_its_steps_needs_no_more_than_their_number() -> None:
    written = [
        {"label": "a", "name": "apgd", "loss": "targeted_dlr", "eps": 0.1, "steps": 100},
        {"label": "s", "name": "square", "norm": "l2", "eps": 2.0, "steps": 500},
    ]
    request = JobRequest.model_validate({**LEAST, "evaluate": {"attacks": written}})
    attacks = resolve(request).evaluate.attacks
    assert [(attack.name, attack.loss, attack.step) for attack in attacks] == [
        ("apgd", "targeted_dlr", None),
        ("square", "margin", None),
    ]
    again = JobRequest.model_validate_json(resolve(request).model_dump_json())
    assert resolve(again).evaluate.attacks == attacks
    with pytest.raises(ValueError, match="sizes its steps itself"):
        _ = attacks[0].step_size


def test_radii_beyond_one_are_for_the_other_norms() -> None:
    for norm, eps in (("l2", 2.0), ("l1", 30.0)):
        attack = AttackSpec.model_validate({"label": "a", "norm": norm, "eps": eps, "step": eps, "steps": 1})
        assert attack.eps == eps


@pytest.mark.parametrize("changes", [{"norm": "l2"}, {"loss": "margin"}])
def test_training_attacks_in_linf_with_the_cross_entropy(changes: dict[str, Any]) -> None:
    spec = pretrain_of(resolve(JobRequest.model_validate(LEAST)))
    attack = spec.attack.model_copy(update=changes)
    with pytest.raises(ValidationError, match="attack of training"):
        type(spec).model_validate(spec.model_dump() | {"attack": attack.model_dump()})


def test_the_json_of_a_plain_attack_is_what_it_was() -> None:
    """Digests of stored stages hang on it."""
    assert canonical_json(AttackSpec(label="a", eps=0.1, step=0.01, steps=5)) == (
        '{"eps":0.1,"label":"a","step":0.01,"steps":5}'
    )


def test_a_number_that_is_not_finite_has_no_canonical_json() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"x": nan})
