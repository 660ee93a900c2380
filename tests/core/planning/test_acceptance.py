"""Criteria that a run could not judge are refused before it starts."""

from __future__ import annotations

from typing import Any

import pytest

from cartl_core.errors import SpecError
from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest
from tests.factories import SMOKE, make_spec

PLAIN = {"kept_against_plain": {"at_least": 0.0}}


def test_a_radius_that_an_attack_has_is_taken() -> None:
    eps = make_spec().evaluate.attacks[0].eps
    spec = make_spec(accept={"robust_accuracy": {"at": eps, "at_least": 0.1}})
    assert spec.accept is not None and spec.accept.robust_accuracy is not None
    assert spec.accept.robust_accuracy.at == eps
    again = resolve(JobRequest.model_validate(spec.model_dump(mode="json")))
    assert again == spec


@pytest.mark.parametrize("asked", [{"at": 0.2}, {"at": 0.1, "norm": "l2"}])
def test_a_radius_that_no_attack_has_is_refused(asked: Any) -> None:
    with pytest.raises(SpecError, match="no attack of this job has the radius") as refused:
        make_spec(accept={"robust_accuracy": asked | {"at_least": 0.1}})
    assert refused.value.field == "accept.robust_accuracy.at"


def test_plain_transfer_must_be_beside_what_is_compared_with_it() -> None:
    assert make_spec(accept=PLAIN).accept is not None
    with pytest.raises(SpecError, match="no baseline of this job is plain transfer"):
        make_spec(accept=PLAIN, baselines=[])
    with pytest.raises(SpecError, match="no baseline of this job is plain transfer"):
        make_spec(accept=PLAIN, baselines=["lwf"])
    assert make_spec(SMOKE | {"method": "auto", "freeze_depth": 2}, accept=PLAIN).auto is not None
