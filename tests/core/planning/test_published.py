"""Recipes and preset ``paper`` against the table of what the authors' scripts do, arm by arm."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cartl_core.catalog import METHODS, model_facts
from cartl_core.catalog.published import (
    AUGMENTATION,
    DEPTHS_TUNED,
    DIFFERENCES,
    EVALUATION,
    EVALUATION_STEPS,
    STUDENTS,
    TEACHERS,
    PublishedTraining,
)
from cartl_core.planning.resolve import resolve
from cartl_core.spec import Arm, JobRequest, JobSpec, PretrainSpec, TransferSpec
from tests.core.planning.test_recipes import PUBLISHED, recipe
from tests.fixtures.requests import pretrain_of, source_of

METHOD_PAGE = Path(__file__).parents[3] / "docs/explanation/method.md"
OURS = {"validate_images", "select_margin", "radii", "fdm_layers", "schedule"}
"""Fields that no script of theirs has; their defaults do nothing."""
SWITCHED_OFF = {"fdm_weight", "beta", "lwf_weight", "anchor_weight", "attack", "noise_sigma", "displacement"}
"""Null where a method does not have them."""


def of_preset(name: str, methods: list[str]) -> JobSpec:
    source, _, target = name.partition("-to-")
    asked: dict[str, Any] = {
        "source": source,
        "dataset": target,
        "preset": "paper",
        "method": "cartl",
        "freeze_depth": model_facts(PUBLISHED[name][0]).blocks - 6,
        "baselines": methods,
    }
    return resolve(JobRequest.model_validate(asked))


def differing(settings: BaseModel, published: PublishedTraining) -> dict[str, tuple[object, object]]:
    """Fields that differ: (ours, theirs)."""
    found = {name: (getattr(settings, name), theirs) for name, theirs in published.settings.items()}
    attack = getattr(settings, "attack", None)
    for name, theirs in (published.attack or {}).items():
        found[f"attack.{name}"] = (getattr(attack, name), theirs)
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def check(spec: JobSpec, arm: Arm) -> None:
    teacher, student = TEACHERS[METHODS[arm.method].objective], STUDENTS[arm.method]
    assert differing(pretrain_of(arm), teacher) == {}
    assert differing(arm.transfer, student) == {}
    assert pretrain_of(arm).augmentation == AUGMENTATION[source_of(spec).name]
    assert arm.transfer.augmentation == AUGMENTATION[spec.dataset.name]
    covered = (
        OURS | {"augmentation", "objective"} | ({"trunk_statistics"} if arm.freeze_depth == 0 else set())
    )
    for settings, published in ((pretrain_of(arm), teacher), (arm.transfer, student)):
        for name in type(settings).model_fields.keys() - published.settings.keys() - covered:
            value, tried = getattr(settings, name), dict(published.tried)
            off = name in SWITCHED_OFF and value is None
            default = value == type(settings).model_fields[name].default
            assert off or default or name in tried or name == "attack", (arm.method, name, value)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_arm_of_a_recipe_is_what_the_scripts_do(name: str) -> None:
    spec = recipe(name)
    assert [arm.method for arm in spec.arms] == ["cartl", "vanilla", "lwf"]
    for arm in spec.arms:
        check(spec, arm)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_arm_of_preset_paper_is_what_the_scripts_do(name: str) -> None:
    spec = of_preset(name, ["vanilla", "neft", "lwf"])
    for arm in spec.arms:
        check(spec, arm)
    assert {arm.method for arm in spec.arms} == set(STUDENTS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_attacks_are_theirs(name: str) -> None:
    spec = of_preset(name, ["vanilla"])
    eps, step = EVALUATION[spec.dataset.name]
    assert [(attack.eps, attack.step, attack.steps) for attack in spec.evaluate.attacks] == [
        (eps, step, steps) for steps in EVALUATION_STEPS
    ]
    assert all(attack.random_start and attack.restarts == 1 for attack in spec.evaluate.attacks)


def test_the_depths_of_the_scripts_fit_the_network() -> None:
    blocks = model_facts("wrn-34-10").blocks
    for k in DEPTHS_TUNED:
        assert blocks - k in METHODS["cartl"].depths(blocks)


def test_the_table_speaks_of_fields_that_there_are() -> None:
    for table, part in ((TEACHERS, PretrainSpec), (STUDENTS, TransferSpec)):
        for row in table.values():
            assert row.settings.keys() | dict(row.tried).keys() <= part.model_fields.keys()


def test_the_method_page_tells_every_difference_that_stays() -> None:
    page = " ".join(METHOD_PAGE.read_text(encoding="utf-8").split())
    for difference in DIFFERENCES:
        for field in fields(difference):
            assert getattr(difference, field.name) in page, difference.name
