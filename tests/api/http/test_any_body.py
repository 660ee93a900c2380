"""Whatever JSON is posted: it is a job, or a problem that names a field; never a mistake of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel

from api.http.body import parse_json
from api.http.problems import Problem
from api.submission import prepare
from cartl_core.catalog import DATASETS, KNOWN_MODELS, METHODS, PRESETS
from cartl_core.spec import EvaluateSpec, JobRequest, PretrainSpec, TransferSpec
from jobs.database.engine import make_engine, migrate, session_factory, transaction
from jobs.settings import Settings
from jobs.store import submit

LEAVES: SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-3, 40)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([*DATASETS, *KNOWN_MODELS, *METHODS, *PRESETS, "at", "fdm", "step", "cpu", "pgd20"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def part(model: type[BaseModel]) -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(model.model_fields, VALUES))


DATA = st.sampled_from(list(DATASETS)) | st.fixed_dictionaries(
    {"name": st.sampled_from(list(DATASETS))},
    optional={"classes": st.lists(st.integers(0, 12), max_size=5), "train_limit": st.integers(9, 99)},
)
BODIES = st.fixed_dictionaries(
    {"dataset": DATA, "freeze_depth": st.integers(0, 8)},
    optional={
        **{name: VALUES for name in JobRequest.model_fields if name not in {"dataset", "freeze_depth"}},
        "kind": st.just("transfer"),
        "name": st.none() | st.text(max_size=8),
        "tags": st.lists(st.text("ab:_ ", max_size=4), max_size=3),
        "model": st.sampled_from([*KNOWN_MODELS, "wrn-40-2", "vgg"]),
        "preset": st.sampled_from([None, *PRESETS]),
        "device": st.sampled_from(["auto", "cpu", "cuda"]),
        "precision": st.sampled_from(["auto", "fp32", "bf16"]),
        "baselines": st.lists(st.sampled_from(list(METHODS)), max_size=3),
        "seed": st.integers(0, 9),
        "source": DATA,
        "method": st.sampled_from(list(METHODS)),
        "pretrain": part(PretrainSpec),
        "transfer": part(TransferSpec),
        "evaluate": part(EvaluateSpec),
    },
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    found = make_engine(Settings(data_dir=tmp_path_factory.mktemp("any")))
    migrate(found)
    yield found
    found.dispose()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=BODIES | VALUES)
def test_any_json_is_a_job_or_a_problem(engine: Any, body: Any) -> None:
    try:
        ready = prepare(parse_json(json.dumps(body).encode()), Settings())
    except Problem as problem:
        assert problem.kind.status in (400, 422)
        assert problem.kind.status == 400 or all(error.field and error.message for error in problem.errors)
        return
    assert ready.estimate["seconds"] >= 0
    with transaction(session_factory(engine)) as session:
        submit(session, request=ready.request, spec=ready.spec, estimate=ready.estimate, owner="any")


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=64)
    | st.text(max_size=64).map(str.encode)
    | st.text('[]{}",:0e+-.', max_size=40).map(str.encode)
)
def test_any_bytes_are_json_or_a_problem(body: bytes) -> None:
    try:
        value = parse_json(body)
    except Problem as problem:
        assert problem.kind.status == 400
    else:
        assert json.loads(body) == value
