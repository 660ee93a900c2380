"""Criteria as a person writes them: bounded, named where they are refused, and in the digest once written."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cartl_core.spec import JobRequest, JobSpec, digest
from cartl_core.spec.acceptance import AcceptSpec, EvaluationAcceptSpec
from cartl_core.spec.faults import first_fault
from tests.factories import SMOKE, make_spec

ROBUST = {"at": "8/255", "at_least": 0.45}


@pytest.mark.parametrize(("written", "radius"), [("8/255", 8 / 255), (0.1, 0.1), (1, 1.0), ("1/2", 0.5)])
def test_a_radius_is_a_number_or_a_quotient(written: Any, radius: float) -> None:
    found = AcceptSpec.model_validate({"robust_accuracy": ROBUST | {"at": written}})
    assert found.robust_accuracy is not None
    assert (found.robust_accuracy.at, found.robust_accuracy.confidence) == (radius, 0.95)
    assert AcceptSpec.model_validate_json(found.model_dump_json()) == found


REFUSED: list[tuple[str, Any]] = [
    ("robust_accuracy.at", ROBUST | {"at": "8/0"}),
    ("robust_accuracy.at", ROBUST | {"at": "eight"}),
    ("robust_accuracy.at", ROBUST | {"at": "9" * 5000 + "/255"}),
    ("robust_accuracy.at", ROBUST | {"at": 0}),
    ("robust_accuracy.at", ROBUST | {"at": "0/255"}),
    ("robust_accuracy.at", ROBUST | {"at": True}),
    ("robust_accuracy.norm", ROBUST | {"norm": "l3"}),
    ("robust_accuracy.at_least", ROBUST | {"at_least": 45}),
    ("clean_accuracy.at_least", {"at_least": -0.1}),
    ("clean_accuracy.confidence", {"at_least": 0.9, "confidence": 0.5}),
    ("clean_accuracy.confidence", {"at_least": 0.9, "confidence": 1}),
    ("kept_against_plain.at_least", {"at_least": -1.1}),
    ("kept_against_plain.at_most", {"at_least": 0, "at_most": 1}),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_what_is_refused_is_named(field: str, value: Any) -> None:
    written = SMOKE | {"accept": {field.partition(".")[0]: value}}
    with pytest.raises(ValidationError) as refused:
        JobRequest.model_validate(written)
    assert first_fault(JobRequest, refused.value, written).field == f"accept.{field}"


def test_no_criterion_is_no_acceptance() -> None:
    for empty in ({}, {"robust_accuracy": None}):
        with pytest.raises(ValidationError, match="there is no criterion"):
            AcceptSpec.model_validate(empty)


def test_an_existing_network_has_no_plain_transfer_beside_it() -> None:
    with pytest.raises(ValidationError, match="kept_against_plain"):
        EvaluationAcceptSpec.model_validate({"kept_against_plain": {"at_least": 0}})


def test_criteria_are_in_the_digest_and_absent_ones_leave_it_as_it_was() -> None:
    def criteria(at_least: float) -> JobSpec:
        return make_spec(accept={"clean_accuracy": {"at_least": at_least}})

    without = make_spec()
    assert digest(without.model_dump(exclude_defaults=True, mode="json")) == digest(without)
    assert "accept" not in without.model_dump(exclude_defaults=True)
    assert len({digest(without), digest(criteria(0.5)), digest(criteria(0.6))}) == 3
