"""Digests change only with the recipe of a stage, and a field that is added later changes none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cartl_core.planning.stage_digests import RECIPE_VERSION, RunSetting
from cartl_core.planning.stages import DataRef, StageSpec, attacking, diagnosing, pretraining, transferring
from cartl_core.spec import (
    AttackSpec,
    AuditSpec,
    DisplacementSpec,
    ModelSpec,
    PretrainSpec,
    Runtime,
    TransferSpec,
    digest,
)
from tests.golden import digests
from tests.golden.files import read
from tests.golden.tiny import RUNTIME, TINY, arm

SETTING = RunSetting(seed=0, runtime=RUNTIME, batch_size=20)
DATA = DataRef("target", "test", "target", None, 10)


class LaterModel(ModelSpec):
    """Any specification may gain a field."""

    invented: float = 0.5


class LaterAttack(AttackSpec):
    invented: float | None = None


class LaterDisplacement(DisplacementSpec):
    invented: tuple[int, ...] = (1, 2)


class LaterPretrain(PretrainSpec):
    attack: LaterAttack
    invented: bool = False


class LaterTransfer(TransferSpec):
    attack: LaterAttack | None = None
    displacement: LaterDisplacement | None = None
    invented: str = "as before"


class LaterAudit(AuditSpec):
    invented: int = 0


def stages(
    model: type[ModelSpec] = ModelSpec,
    attack: type[AttackSpec] = AttackSpec,
    pretrain: type[PretrainSpec] = PretrainSpec,
    transfer: type[TransferSpec] = TransferSpec,
    audit: type[AuditSpec] = AuditSpec,
    method: str = "adversarial",
    setting: RunSetting = SETTING,
    settings: dict[str, Any] | None = None,
) -> dict[str, str]:
    """Digests of a stage of each kind; ``settings`` by the name of what is built."""
    changes = settings or {}

    def build(part: Any, value: Any, name: str) -> Any:
        return part.model_validate({**value.model_dump(), **changes.get(name, {})})

    made = arm(method)
    tiny = build(model, TINY, "model")
    teacher = pretraining(
        build(pretrain, made.pretrain, "pretrain"),
        2,
        model=tiny,
        fingerprint="source",
        images=1,
        setting=setting,
    )
    own = made.model_copy(update={"transfer": build(transfer, made.transfer, "transfer")})
    student = transferring(own, teacher.key, model=tiny, fingerprint="target", images=1, setting=setting)
    asked = build(attack, AttackSpec(label="pgd", eps=0.1, step=0.01, steps=5), "attack")
    measured = attacking(asked, "student", student.key, DATA, setting=setting)
    looked = diagnosing(
        "audit",
        build(audit, AuditSpec(images=5, eps=0.1), "audit"),
        "student",
        student.key,
        DATA,
        freeze_depth=1,
        others=(),
        setting=setting,
    )
    found: dict[str, StageSpec[Any]] = {
        "pretrain": teacher,
        "transfer": student,
        "attack": measured,
        "audit": looked,
    }
    return {name: stage.digest for name, stage in found.items()}


LATER: dict[str, Any] = {
    "model": LaterModel,
    "attack": LaterAttack,
    "pretrain": LaterPretrain,
    "transfer": LaterTransfer,
    "audit": LaterAudit,
}


@pytest.mark.parametrize("method", ["adversarial", "consistent"])
def test_a_field_that_is_added_later_changes_no_digest_at_its_default(method: str) -> None:
    assert stages(**LATER, method=method) == stages(method=method)


@pytest.mark.parametrize(
    ("part", "value", "changed"),
    [
        ("model", {"invented": 0.6}, {"pretrain", "transfer", "attack", "audit"}),
        ("pretrain", {"invented": True}, {"pretrain", "transfer", "attack", "audit"}),
        ("transfer", {"invented": "anew"}, {"transfer", "attack", "audit"}),
        ("attack", {"invented": 1.0}, {"attack"}),
        ("audit", {"invented": 1}, {"audit"}),
    ],
)
def test_once_it_is_set_it_is_in_the_digests_of_its_stage_and_of_what_stands_on_it(
    part: str, value: dict[str, Any], changed: set[str]
) -> None:
    before, after = stages(), stages(**LATER, settings={part: value})
    assert {name for name in before if before[name] != after[name]} == changed


def test_it_is_left_out_of_the_digest_of_a_whole_specification() -> None:
    settings = {"label": "pgd", "eps": 0.1, "step": 0.01, "steps": 5}
    before = digest(AttackSpec.model_validate(settings))
    assert digest(LaterAttack.model_validate(settings)) == before
    assert digest(LaterAttack.model_validate({**settings, "invented": 1.0})) != before


def test_no_default_has_changed() -> None:
    """A default that changes would make new stages look like old ones: let the presets say another value."""
    kept, found = read("defaults"), digests.defaults()
    assert {name: found.get(name, "gone") for name in kept} == kept
    assert found == kept, "fields are new: python -m tests.golden.record defaults"


def test_golden_data_are_those_of_their_recipe() -> None:
    """Whoever changes numbers raises the recipe of that stage, and records under its new name."""
    recipes, names = read("recipes"), digests.recipe_names()
    assert {part: recipes[part][names[part]] for part in names} == digests.recorded()


def test_recording_other_data_by_the_same_recipe_is_refused() -> None:
    kept = read("recipes")
    assert digests.listed(kept) == read("recipes")
    forged = {part: dict.fromkeys(recipes, "0" * 64) for part, recipes in kept.items()}
    with pytest.raises(ValueError, match="were recorded before"):
        digests.listed(forged)
    with pytest.raises(ValueError, match="the default of"):
        digests.with_new_defaults({**read("defaults"), "AttackSpec.restarts": 2})


@pytest.mark.parametrize(
    "change",
    [
        {"cartl": "9.9.9"},
        {"python": "3.14.1"},
        {"torchvision": "9"},
        {"torch": "2.13.1"},
        {"torch": "2.13.0+cpu"},
        {"stages_at_once": 2},
    ],
)
def test_an_upgrade_that_changes_no_numbers_forgets_nothing(change: dict[str, str]) -> None:
    runtime = RUNTIME.model_copy(update={"torch": "2.13.0"})
    setting = replace(SETTING, runtime=runtime)
    other = replace(SETTING, runtime=runtime.model_copy(update=change))
    assert stages(setting=setting) == stages(setting=other)


@pytest.mark.parametrize(
    "change",
    [
        {"torch": "2.14.0"},
        {"torch": "3.13.0"},
        {"threads": 2},
        {"device": "cuda"},
        {"device_name": "another"},
        {"precision": "bf16"},
        {"machine": "aarch64"},
    ],
)
def test_what_changes_numbers_is_in_every_digest(change: dict[str, Any]) -> None:
    runtime = RUNTIME.model_copy(update={"torch": "2.13.0"})
    other = replace(SETTING, runtime=Runtime.model_validate(runtime.model_dump() | change))
    before, after = stages(setting=replace(SETTING, runtime=runtime)), stages(setting=other)
    assert all(before[name] != after[name] for name in before)


@pytest.mark.parametrize(("steps", "changed"), [(5, set()), (99, set()), (100, {"attack"})])
def test_where_attacks_begin_in_bf16_is_in_the_digests_of_long_ones_alone(
    steps: int, changed: set[str]
) -> None:
    settings = {"attack": {"steps": steps}}
    low = replace(SETTING, runtime=RUNTIME.model_copy(update={"attack_precision": "bf16"}))
    before, after = stages(settings=settings), stages(settings=settings, setting=low)
    assert {name for name in before if before[name] != after[name]} == changed


def test_a_recipe_changes_its_own_stage_and_what_stands_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stages()
    monkeypatch.setitem(RECIPE_VERSION, "transfer", RECIPE_VERSION["transfer"] + 1)
    after = stages()
    assert {name for name in before if before[name] != after[name]} == {"transfer", "attack", "audit"}
