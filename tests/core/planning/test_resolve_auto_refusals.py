"""What a job that chooses its method itself may not ask for: the field is named, and what is allowed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cartl_core.errors import SpecError
from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest, JobSpec
from cartl_core.spec.arm import MOST_CANDIDATES

LEAST: dict[str, Any] = {"dataset": "fashion_mnist", "method": "auto", "freeze_depth": "auto"}


def resolved(**changes: Any) -> JobSpec:
    spec = resolve(JobRequest.model_validate_json(json.dumps({**LEAST, **changes})), "smoke")
    assert resolve(JobRequest.model_validate_json(spec.model_dump_json()), "quick") == spec
    return spec


def refusal(**changes: Any) -> SpecError:
    with pytest.raises(SpecError) as caught:
        resolved(**changes)
    return caught.value


@pytest.mark.parametrize(
    ("changes", "field", "allowed"),
    [
        ({"freeze_depth": 99}, "freeze_depth", "0 to 4"),
        ({"method": "lwf"}, "freeze_depth", "0"),
        ({"method": "linear_probe"}, "freeze_depth", "4"),
        (
            {"freeze_depth": 2, "auto": {"candidates": ["linear_probe"]}},
            "auto.candidates.0.freeze_depth",
            "4",
        ),
        (
            {"method": "cartl", "freeze_depth": 2, "auto": {}},
            "auto",
            "only where method or freeze_depth is auto",
        ),
        ({"transfer": {"beta": 0.3}}, "transfer.beta", "auto.candidates"),
        ({"transfer": {"tail_affine": "frozen"}}, "transfer.tail_affine", "auto.candidates"),
        ({"pretrain": {"fdm_layers": "every"}}, "pretrain.fdm_layers", "auto.candidates"),
        ({"method": "neft", "pretrain": {"fdm_weight": 1.0}}, "pretrain.fdm_weight", "methods cartl"),
        ({"baselines": ["vanilla"]}, "baselines.0.freeze_depth", "0 to 4"),
        ({"auto": {"attack": {"step": 2.0}}}, "auto.attack.step", ""),
        (
            {"dataset": {"name": "digits", "classes": [8, 9]}, "auto": {"attack": {"loss": "dlr"}}},
            "auto.attack.loss",
            "ce",
        ),
        (
            {"freeze_depth": 2, "auto": {"candidates": [{"method": "neft", "freeze_depth": 1}]}},
            "auto.candidates.0.freeze_depth",
            "2, or leave it out",
        ),
        ({"method": "cartl", "auto": {"candidates": ["neft"]}}, "auto.candidates.0.method", "cartl, vanilla"),
        (
            {"auto": {"candidates": [{"method": "vanilla", "freeze_depth": 9}]}},
            "auto.candidates.0.freeze_depth",
            "0 to 4",
        ),
        (
            {"auto": {"candidates": [{"method": "neft", "transfer": {"norm": "operator", "beta": 2.0}}]}},
            "auto.candidates.0.transfer.norm",
            "",
        ),
        (
            {
                "auto": {
                    "candidates": [
                        {"method": "neft", "freeze_depth": 2, "transfer": {"epochs": epochs}}
                        for epochs in range(1, MOST_CANDIDATES + 1)
                    ]
                }
            },
            "auto.candidates",
            f"1 to {MOST_CANDIDATES}",
        ),
    ],
)
def test_refusals_name_the_field(changes: dict[str, Any], field: str, allowed: str) -> None:
    error = refusal(model="tiny", **changes)
    assert error.field == field
    assert allowed in (error.allowed or "")


@pytest.mark.parametrize("margin", [-0.01, 1.5, "1", None, True])
def test_a_margin_is_a_fraction(margin: Any) -> None:
    with pytest.raises(ValueError, match="margin"):
        resolved(auto={"margin": margin})


@pytest.mark.parametrize("lead", [-0.1, 10.5, "2", None, True, float("nan")])
def test_a_lead_is_a_number_of_standard_errors(lead: Any) -> None:
    with pytest.raises(ValueError, match="lead"):
        resolved(auto={"lead": lead})
