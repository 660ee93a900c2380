"""Radii and steps are bounded by the network's input, whichever field they stand in."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from cartl_core import evaluate_robustness
from cartl_core.attacks.functions import pgd
from cartl_core.errors import ArgumentInvalid, SpecError
from cartl_core.spec import LARGEST_RADIUS, ModelSpec
from cartl_core.spec.measures.attack import LARGEST_SIDE, largest_radius

SIDE, CHANNELS = 16, 3
MODEL = {"name": "tiny", "image_size": SIDE, "channels": CHANNELS}
MOST = {"l2": sqrt(CHANNELS * SIDE**2), "l1": float(CHANNELS * SIDE**2)}


def attack(norm: str, eps: float, step: float = 0.1) -> dict[str, Any]:
    return {"label": "own", "norm": norm, "eps": eps, "step": step, "steps": 1}


def curve(norm: str, *eps: float, expected_to: float = 0.1) -> dict[str, Any]:
    return {"norm": norm, "eps": list(eps), "expected_to": expected_to, "steps": 2}


FIELDS: dict[str, Any] = {
    "evaluate.attacks.0.eps": lambda norm, eps: {"attacks": [attack(norm, eps)]},
    "evaluate.attacks.0.step": lambda norm, eps: {"attacks": [attack(norm, 0.5, eps)]},
    "evaluate.source_attacks.0.eps": lambda norm, eps: {"source_attacks": [attack(norm, eps)]},
    "evaluate.curve.eps": lambda norm, eps: {"curve": curve(norm, 0.1, eps)},
    "evaluate.gallery.eps": lambda norm, eps: {"gallery": {"norm": norm, "eps": eps}},
    "evaluate.checks.attack.eps": lambda norm, eps: {"checks": {"attack": attack(norm, eps)}},
}


@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("field", FIELDS)
def test_the_most_is_taken_and_more_is_refused_by_field(job: Any, field: str, norm: str) -> None:
    job(model=MODEL, evaluate=FIELDS[field](norm, MOST[norm]))
    with pytest.raises(SpecError) as refused:
        job(model=MODEL, evaluate=FIELDS[field](norm, MOST[norm] * 1.01))
    assert refused.value.field == field
    assert refused.value.allowed == f"at most {MOST[norm]:g} in {norm}"
    assert "3 x 16 x 16" in str(refused.value)


def test_certified_radii_are_bounded_too(job: Any) -> None:
    job(model=MODEL, evaluate={"audit": {"radii": [0.5, MOST["l2"]]}})
    with pytest.raises(SpecError, match=r"evaluate\.audit\.radii"):
        job(model=MODEL, evaluate={"audit": {"radii": [0.5, MOST["l2"] + 1]}})


def test_a_larger_input_has_more_room(job: Any) -> None:
    wanted = {"attacks": [attack("l2", 100.0)]}
    job(model={"name": "wrn-16-1", "image_size": 64, "channels": 3, "stem_stride": 4}, evaluate=wanted)
    with pytest.raises(SpecError):
        job(model={"name": "wrn-16-1", "image_size": 32, "channels": 3}, evaluate=wanted)


def test_the_schemas_own_bounds_are_those_of_the_largest_input() -> None:
    for norm, most in LARGEST_RADIUS.items():
        largest = largest_radius(norm, 3 * LARGEST_SIDE**2)
        assert largest <= most < largest + 1


def test_inputs_have_8_to_384_pixels() -> None:
    assert ModelSpec(name="tiny", image_size=384).image_size == 384
    for size in (7, 385):
        with pytest.raises(ValidationError):
            ModelSpec(name="tiny", image_size=size)


def test_so_are_those_of_the_librarys_functions() -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    x, y = torch.rand(4, 3, 2, 2), torch.tensor([0, 1, 2, 0])
    pgd(model, x, y, eps=sqrt(12), norm="l2", steps=1)
    for measure in (pgd, evaluate_robustness):
        with pytest.raises(ArgumentInvalid, match="3 x 2 x 2 has room for"):
            measure(model, x, y, eps=4.0, norm="l2")
