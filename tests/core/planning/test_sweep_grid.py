"""From a sweep to its jobs: combinations, what collapses, what is refused and where."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from cartl_core.catalog import METHODS
from cartl_core.errors import SpecError
from cartl_core.planning.method_settings import unused_by
from cartl_core.planning.resolve import resolve
from cartl_core.planning.sweep_grid import AXES, Cell, cells
from cartl_core.spec import JobRequest, JobSpec, PretrainSpec, TransferSpec
from cartl_core.spec.sweep import Grid, SweepRequest
from tests.fixtures.requests import pretrain_of, transfer_of

BASE: dict[str, Any] = {"dataset": "digits", "preset": "smoke", "model": "tiny"}


def sweep(grid: dict[str, Any], **base: Any) -> SweepRequest:
    return SweepRequest.model_validate({"base": BASE | base, "grid": grid})


def specs(found: tuple[Cell, ...]) -> list[JobSpec]:
    return [resolve(JobRequest.model_validate(cell.request)) for cell in found]


def test_every_combination_is_a_job_the_first_seed_first() -> None:
    found = cells(sweep({"seed": [5, 3], "freeze_depth": [1, 2], "beta": [0.4, 0.6]}), 100)
    got = [(spec.seed, spec.freeze_depth, transfer_of(spec).beta) for spec in specs(found)]
    assert got == list(product([5, 3], [1, 2], [0.4, 0.6]))
    assert {spec.method for spec in specs(found)} == {"cartl"}
    assert {spec.baselines for spec in specs(found)} == {()}


def test_a_job_of_a_sweep_is_what_the_same_request_alone_would_be() -> None:
    base = {"transfer": {"epochs": 3, "beta": 0.5}, "pretrain": {"attack": {"eps": 0.2}}, "name": "n"}
    (one, _) = specs(cells(sweep({"freeze_depth": [2, 3]}, **base), 100))
    alone = JobRequest.model_validate(BASE | base | {"freeze_depth": 2, "baselines": []})
    assert one == resolve(alone)


def test_values_that_a_method_does_not_use_collapse() -> None:
    grid: dict[str, list[Any]] = {
        "method": ["vanilla", "neft", "cartl", "lwf", "linear_probe", "bitfit"],
        "freeze_depth": [1, 2],
        "beta": [0.4, 0.6],
        "fdm_weight": [0.1, 0.2, 0.3],
    }
    found = specs(cells(sweep(grid), 100))
    count = {name: sum(spec.method == name for spec in found) for name in grid["method"]}
    once = {"lwf": 1, "linear_probe": 1}
    assert count == {"vanilla": 2, "neft": 2 * 2, "cartl": 2 * 2 * 3, "bitfit": 2, **once}
    assert len({spec.model_dump_json() for spec in found}) == len(found)
    (lwf,) = [spec for spec in found if spec.method == "lwf"]
    assert lwf.freeze_depth == 0
    (probe,) = [spec for spec in found if spec.method == "linear_probe"]
    assert probe.freeze_depth == 4


@settings(max_examples=60, deadline=None)
@given(
    methods=st.lists(st.sampled_from(sorted(METHODS)), min_size=1, max_size=5, unique=True),
    depths=st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True),
    betas=st.lists(st.sampled_from([0.3, 0.5, 1.0]), min_size=1, unique=True),
    seeds=st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
)
def test_the_jobs_are_the_distinct_ones_among_all_combinations(
    methods: list[str], depths: list[int], betas: list[float], seeds: list[int]
) -> None:
    """Against brute force: each combination by hand, unused values left out, equal specifications once."""
    if not {"neft", "cartl"} & set(methods) or set(methods) <= {"lwf", "linear_probe"}:
        return
    grid = {"method": methods, "freeze_depth": depths, "beta": betas, "seed": seeds}
    found = specs(cells(sweep(grid), 1000))
    brute = set()
    for method, depth, beta, seed in product(methods, depths, betas, seeds):
        facts = METHODS[method]
        request = BASE | {"method": method, "seed": seed, "baselines": []}
        own = facts.own_depth(5)
        request |= {"freeze_depth": depth if own is None else own}
        request |= {"transfer": {"beta": beta}} if facts.nonexpansive else {}
        brute.add(resolve(JobRequest.model_validate(request)).model_dump_json())
    assert sorted(spec.model_dump_json() for spec in found) == sorted(brute)


def test_settings_of_the_base_are_for_the_methods_that_use_them() -> None:
    base = {"pretrain": {"fdm_layers": "every"}, "transfer": {"beta": 0.5, "epochs": 2}, "freeze_depth": 2}
    plain, cartl, lwf = specs(cells(sweep({"method": ["vanilla", "cartl", "lwf"]}, **base), 100))
    assert (pretrain_of(plain).fdm_layers, transfer_of(plain).beta) == ("trunk", None)
    assert (pretrain_of(cartl).fdm_layers, transfer_of(cartl).beta) == ("every", 0.5)
    assert (plain.freeze_depth, cartl.freeze_depth, lwf.freeze_depth) == (2, 2, 0)
    assert transfer_of(plain).epochs == transfer_of(cartl).epochs == 2


@pytest.mark.parametrize(
    ("grid", "base", "field"),
    [
        ({"beta": [0.1, 0.2]}, {"freeze_depth": 2, "transfer": {"beta": 0.3}}, "base.transfer.beta"),
        ({"freeze_depth": [1]}, {"freeze_depth": 2}, "base.freeze_depth"),
        ({"seed": [1]}, {"freeze_depth": 2, "seed": 1}, "base.seed"),
        ({"seed": [1, 2]}, {}, "base.freeze_depth"),
        ({"beta": [0.1]}, {"freeze_depth": 2, "method": "vanilla"}, "grid.beta"),
        ({"fdm_weight": [0.1], "method": ["vanilla", "neft"]}, {"freeze_depth": 2}, "grid.fdm_weight"),
        ({"freeze_depth": [0, 1]}, {"method": "lwf"}, "grid.freeze_depth"),
        ({"seed": list(range(11)), "freeze_depth": list(range(10))}, {}, "grid"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(
    grid: dict[str, Any], base: dict[str, Any], field: str
) -> None:
    with pytest.raises(SpecError) as refused:
        cells(sweep(grid, **base), 100)
    assert refused.value.field == field
    assert refused.value.allowed


def test_too_many_combinations_name_the_range() -> None:
    grid = {"seed": list(range(5)), "freeze_depth": [1, 2]}
    assert len(cells(sweep(grid), 10)) == 10
    with pytest.raises(SpecError, match=r"5 x 2 = 10 combinations; allowed: 1 to 9"):
        cells(sweep(grid), 9)


@pytest.mark.parametrize(
    ("grid", "base", "field"),
    [
        ({"freeze_depth": [2, 7]}, {}, "grid.freeze_depth.1"),
        ({"method": ["vanilla", "cartl"]}, {"freeze_depth": 0}, "base.freeze_depth"),
        ({"seed": [0]}, {"freeze_depth": 2, "transfer": {"attack": {"steps": 2}}}, "base.transfer.attack"),
        ({"beta": [0.5, 2.0]}, {"freeze_depth": 2, "transfer": {"norm": "operator"}}, "base.transfer.norm"),
        (
            {"seed": [0]},
            {"freeze_depth": 2, "method": "vanilla", "baselines": ["vanilla"]},
            "base.baselines.0",
        ),
    ],
)
def test_an_error_of_a_job_is_told_at_its_place_in_the_sweep(
    grid: dict[str, Any], base: dict[str, Any], field: str
) -> None:
    errors = []
    for cell in cells(sweep(grid, **base), 100):
        try:
            resolve(JobRequest.model_validate(cell.request))
        except SpecError as error:
            errors.append(cell.refused(error))
    assert [error.field for error in errors] == [field]
    assert "(in " in errors[0].message


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"grid": {}}, ("grid",)),
        ({"grid": {"beta": []}}, ("grid", "beta")),
        ({"grid": {"beta": [0.5, 0.0]}}, ("grid", "beta", 1)),
        ({"grid": {"beta": [0.5, 0.5]}}, ("grid",)),
        ({"grid": {"fdm_weight": [1, 1.0]}}, ("grid",)),
        ({"grid": {"seed": list(range(101))}}, ("grid", "seed")),
        ({"grid": {"method": ["auto"]}}, ("grid", "method", 0)),
        ({"grid": {"freeze_depth": ["auto"]}}, ("grid", "freeze_depth", 0)),
        ({"grid": {"freeze_depth": [True]}}, ("grid", "freeze_depth", 0)),
        ({"grid": {"lr": [0.1]}}, ("grid", "lr")),
        ({"grid": {"seed": [1]}, "base": BASE | {"method": "auto"}}, ("base", "method")),
        ({"grid": {"seed": [1]}, "base": BASE | {"freeze_depth": "auto"}}, ("base", "freeze_depth")),
        ({"grid": {"seed": [1]}, "margin": 1.5}, ("margin",)),
    ],
)
def test_a_request_is_checked_field_by_field(body: dict[str, Any], place: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        SweepRequest.model_validate({"base": BASE, **body})
    assert refused.value.errors()[0]["loc"] == place


def test_the_axes_have_the_bounds_of_the_fields_that_they_vary() -> None:
    """What no job could have is refused in the grid already, and nothing else is."""
    parts: dict[str, type[BaseModel]] = {"transfer": TransferSpec, "pretrain": PretrainSpec}
    assert set(AXES) == set(Grid.model_fields)
    schema = Grid.model_json_schema()["properties"]
    for axis, (*part, field) in AXES.items():
        asked: type[BaseModel] = parts[part[0]] if part else JobRequest
        own = asked.model_json_schema()["properties"][field]
        own = next((one for one in own.get("anyOf", [own]) if one.get("type") != "null"), own)
        items = next(one for one in schema[axis]["anyOf"] if one["type"] == "array")["items"]
        ranges = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "type"}
        expected = {name: own[name] for name in own if name in ranges}
        if "enum" in expected:
            # A sweep compares settings; one that chooses among settings is none.
            expected["enum"] = [value for value in expected["enum"] if value != "auto"]
        assert {name: items[name] for name in items if name in ranges} == expected


def test_what_a_method_does_not_use_is_what_resolving_refuses() -> None:
    for method, facts in METHODS.items():
        assert (("transfer", "beta") in unused_by(method)) == (not facts.nonexpansive)
        assert (("pretrain", "fdm_weight") in unused_by(method)) == (facts.objective != "fdm")
