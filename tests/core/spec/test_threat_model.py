"""Threat models of a specification: those of its attacks, stated or not, and in no digest."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cartl_core.errors import SpecError
from cartl_core.planning.resolve import resolve
from cartl_core.spec import EvaluateSpec, JobRequest, JobSpec, digest
from cartl_core.spec.faults import faults_of
from cartl_core.spec.threat_model import threat_models
from tests.factories import SMOKE, make_spec

FAR = {"label": "far", "eps": 16 / 255, "step": 0.01, "steps": 5}
NEAR = {"label": "near", "eps": 8 / 255, "step": 0.01, "steps": 5}
SQUARES = {"label": "squares", "name": "square", "norm": "l2", "eps": 0.5, "steps": 5}
LINF = {"norm": "linf", "radii": ["16/255", "8/255"], "knowledge": "white_box"}
L2 = {"norm": "l2", "radii": [0.5], "knowledge": "scores"}


def job(*stated: Any, **changes: Any) -> JobSpec:
    evaluate = {"attacks": [FAR, SQUARES, NEAR], "threat_models": list(stated), **changes}
    return make_spec(evaluate=evaluate)


def test_what_was_stated_is_what_follows_from_the_attacks() -> None:
    spec = job(L2, LINF | {"attacks": ["near", "far"], "goal": "any_wrong_class"})
    assert spec.evaluate.threat_models == threat_models(spec.evaluate.attacks)
    linf, l2 = spec.evaluate.threat_models
    assert (linf.radii, linf.knowledge, linf.attacks) == ((8 / 255, 16 / 255), "white_box", ("far", "near"))
    assert (l2.radii, l2.knowledge, l2.attacks) == ((0.5,), "scores", ("squares",))
    assert job() == spec, "a resolved specification has them where nobody stated any"


def test_they_are_in_no_digest_and_an_older_specification_gains_them() -> None:
    spec = job(LINF, L2)
    stored = spec.model_dump(mode="json")
    assert [model["norm"] for model in stored["evaluate"].pop("threat_models")] == ["linf", "l2"]
    assert "threat_models" not in spec.model_dump(mode="json", exclude_defaults=True)["evaluate"]
    assert digest(spec) == digest(spec.model_dump(mode="json", exclude_defaults=True))
    assert JobSpec.model_validate(stored) == spec
    again = JobRequest.model_validate(spec.model_dump(mode="json"))
    assert resolve(again) == spec


CONTRADICTIONS: list[tuple[str, list[Any], str, str]] = [
    ("0.radii", [LINF | {"radii": ["8/255"]}, L2], "the radii 0.0313725, 0.0627451", "evaluate.attacks"),
    ("0.radii", [LINF | {"radii": ["8/255", 0.1]}, L2], "the radii 0.0313725, 0.0627451", "evaluate.attacks"),
    ("0.knowledge", [LINF | {"knowledge": "scores"}, L2], "follow gradients: far, near", "white_box"),
    ("1.knowledge", [LINF, L2 | {"knowledge": "white_box"}], "no attack in l2 follows gradients", "scores"),
    ("0.attacks", [LINF | {"attacks": ["far"]}, L2], "not all attacks in linf", "far, near"),
    (
        "2.norm",
        [LINF, L2, L2 | {"norm": "l1"}],
        "no attack of `evaluate.attacks` is in l1",
        "an attack in l1",
    ),
    ("1.norm", [LINF, LINF, L2], "an earlier one is in linf", "one a norm"),
    ("", [LINF], "attacks of `evaluate.attacks` are in l2 as well", "in each of linf, l2"),
]


@pytest.mark.parametrize(("place", "stated", "why", "allowed"), CONTRADICTIONS)
def test_another_adversary_than_that_of_the_attacks_is_refused(
    place: str, stated: list[Any], why: str, allowed: str
) -> None:
    field = "threat_models" + (f".{place}" if place else "")
    with pytest.raises(SpecError) as refused:
        job(*stated)
    assert refused.value.field == f"evaluate.{field}"
    assert why in refused.value.message and allowed in str(refused.value.allowed)
    forged = job().evaluate.model_dump(mode="json") | {"threat_models": stated}
    with pytest.raises(ValidationError) as invalid:
        EvaluateSpec.model_validate(forged)
    assert [fault.field for fault in faults_of(EvaluateSpec, invalid.value, forged)] == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("radii", ["8/0"]),
        ("radii", [-0.1]),
        ("radii", [True]),
        ("radii", [0.1] * 33),
        ("norm", "l3"),
        ("knowledge", "everything"),
        ("goal", "one_class"),
        ("enters", "training_images"),
        ("attacks", ["A B"]),
    ],
)
def test_what_is_no_threat_model_is_refused_as_it_is_read(field: str, value: Any) -> None:
    written = SMOKE | {"evaluate": {"threat_models": [LINF | {field: value}]}}
    with pytest.raises(ValidationError) as refused:
        JobRequest.model_validate(written)
    (fault,) = faults_of(JobRequest, refused.value, written)
    assert fault.field.removesuffix(".0") == f"evaluate.threat_models.0.{field}"


def test_without_attacks_there_is_no_adversary_to_state() -> None:
    assert job(attacks=[]).evaluate.threat_models == ()
    with pytest.raises(SpecError, match="they are in: none"):
        job(LINF, attacks=[])
    with pytest.raises(ValidationError) as refused:
        EvaluateSpec.model_validate({"attacks": [{}], "source_attacks": [], "threat_models": [LINF]})
    assert all(error["loc"][0] == "attacks" for error in refused.value.errors())
