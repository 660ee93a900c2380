"""What a baseline takes over from its job, and what an arm with displaced features needs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cartl_core.catalog import DATASETS, METHODS, PRESETS
from cartl_core.planning.method_settings import OWN_FIELDS
from cartl_core.spec import DisplacementSpec, PretrainSpec, TransferSpec
from tests.fixtures.requests import pretrain_of, refusal, resolved, transfer_of

# --- baselines -----------------------------------------------------------------------------------

CHANGED: dict[str, dict[str, Any]] = {
    "pretrain": {
        "epochs": 3,
        "batch_size": 32,
        "lr": 0.03,
        "lr_schedule": "constant",
        "lr_decay": 0.5,
        "milestones": [0.5],
        "warmup_epochs": 0.25,
        "momentum": 0.5,
        "weight_decay": 1e-3,
        "augmentation": "crop_flip",
        "select": "best_robust",
        "select_margin": 0.02,
        "validate_images": 64,
        "class_weights": "inverse",
        "sampling": "balanced",
        "attack": {"eps": 0.07, "steps": 3},
        "fdm_weight": 0.3,
        "fdm_distance": "spread",
        "fdm_layers": "every",
        "radii": [0.5, 1.5],
        "objective": "fdm",
    },
    "transfer": {
        "epochs": 13,
        "batch_size": 16,
        "lr": 0.02,
        "lr_schedule": "constant",
        "lr_decay": 0.6,
        "milestones": [0.25],
        "warmup_epochs": 0.75,
        "momentum": 0.25,
        "weight_decay": 2e-3,
        "select": "last",
        "select_margin": 0.5,
        "validate_images": 32,
        "class_weights": "inverse_sqrt",
        "sampling": "balanced",
        "tail_statistics": "teacher",
        "trunk_statistics": "recalibrated",
        "beta": 0.9,
        "norm": "operator",
        "tail_affine": "tuned",
        "displacement": {"copies": 2},
        "lwf_weight": 0.02,
        "lwf_head_epochs": 1,
        "anchor_weight": 0.05,
        "feature_precision": "fp16",
    },
}


def test_the_overrides_below_touch_every_field() -> None:
    absent = {"attack", "schedule", "noise_sigma", "augmentation", "cached_views", "tail_weights"}
    assert set(CHANGED["pretrain"]) == set(PretrainSpec.model_fields)
    assert set(CHANGED["transfer"]) == set(TransferSpec.model_fields) - absent
    spec, plain = resolved(**CHANGED), resolved()
    for part, fields in CHANGED.items():
        for field in set(fields) - {"objective"}:
            assert getattr(getattr(spec, part), field) != getattr(getattr(plain, part), field), field


@pytest.mark.parametrize("method", METHODS)
def test_a_baseline_follows_what_does_not_go_with_displaced_features(method: str) -> None:
    noisy = {"noise_sigma": 0.25, "augmentation": "crop_flip"}
    shorter = {"method": method, "transfer": {"epochs": 6}}
    arm = resolved(transfer=noisy, baselines=[shorter]).baselines[0]
    # But for the method that they do not go with.
    wanted = (None, "none") if METHODS[method].fixed_features else (0.25, "crop_flip")
    assert (arm.transfer.noise_sigma, arm.transfer.augmentation) == wanted


DEPTHS: dict[str, dict[str, int]] = {"lwf": {"freeze_depth": 0}, "linear_probe": {"freeze_depth": 7}}
"""Of methods that have one of their own."""


@pytest.mark.parametrize("method", METHODS)
def test_a_baseline_follows_the_views_where_it_sees_altered_images_through_a_trunk(method: str) -> None:
    views = {"augmentation": "crop_flip", "cached_views": 4}
    shorter = {"method": method, "transfer": {"epochs": 6}}
    arm = resolved(method="vanilla", transfer=views, baselines=[shorter]).baselines[0]
    facts = METHODS[method]
    drawn_anew = facts.fixed_features or facts.adversarial or facts.distilled
    assert arm.transfer.cached_views == (None if drawn_anew else 4)
    assert arm.transfer.augmentation == ("none" if facts.fixed_features else "crop_flip")


@pytest.mark.parametrize(
    ("method", "transfer", "why"),
    [
        ("vanilla", {}, "there is one view of each image"),
        ("vanilla", {"augmentation": "none"}, "there is one view of each image"),
        (
            "vanilla",
            {"augmentation": "crop_flip", "noise_sigma": 0.1},
            "which `noise_sigma` of transfer does",
        ),
        ("vanilla", {"augmentation": "crop_flip", "trunk_statistics": "running"}, "`trunk_statistics`"),
        ("linear_probe", {}, "there is one view of each image"),
        ("consistent", {"augmentation": "crop_flip"}, "not used by method consistent"),
        ("adversarial", {"augmentation": "crop_flip"}, "not used by method adversarial"),
        ("lwf", {"augmentation": "crop_flip"}, "not used by method lwf"),
    ],
)
def test_views_of_nothing_that_stays_are_refused(method: str, transfer: dict[str, Any], why: str) -> None:
    error = refusal(method=method, transfer={**transfer, "cached_views": 4}, **DEPTHS.get(method, {}))
    assert error.field == "transfer.cached_views"
    assert why in str(error)


def test_a_linear_probe_takes_views_of_altered_images() -> None:
    views = {"augmentation": "crop_flip", "cached_views": 64}
    found = transfer_of(resolved(method="linear_probe", transfer=views, **DEPTHS["linear_probe"]))
    assert (found.cached_views, found.augmentation) == (64, "crop_flip")
    for views_asked in (0, 65):
        with pytest.raises(ValidationError, match=r"transfer\.cached_views"):
            resolved(method="vanilla", transfer={**views, "cached_views": views_asked})


@pytest.mark.parametrize("method", [name for name in METHODS if name != "cartl"])
def test_a_baseline_follows_the_job_but_for_what_defines_a_method(method: str) -> None:
    spec, plain = resolved(**CHANGED, baselines=[method]), resolved(baselines=[method])
    arm, untouched = spec.baselines[0], plain.baselines[0]
    assert pretrain_of(arm).attack == pretrain_of(spec).attack, "teachers are compared at one radius"
    for part, fields in CHANGED.items():
        for field in fields:
            got = getattr(getattr(arm, part), field)
            kept = METHODS[method].fixed_features and (part, field) == ("transfer", "trunk_statistics")
            if isinstance(got, DisplacementSpec):
                # As far as the teacher was trained, which follows the job.
                assert (got.reach, got.copies, got.eps) == (0.25, 1, pretrain_of(spec).attack.eps)
            elif kept or (field in OWN_FIELDS and (part, field) != ("pretrain", "attack")):
                assert got == getattr(getattr(untouched, part), field), field
            else:
                assert got == getattr(getattr(spec, part), field), field


def test_a_baselines_own_settings_win() -> None:
    own = {"method": "neft", "transfer": {"beta": 0.2, "epochs": 9}, "pretrain": {"attack": {"steps": 1}}}
    spec = resolved(**CHANGED, baselines=[own])
    arm = spec.baselines[0]
    assert (arm.transfer.beta, arm.transfer.epochs, arm.transfer.lr) == (0.2, 9, 0.02)
    assert (pretrain_of(arm).attack.steps, pretrain_of(arm).attack.eps) == (1, 0.07)
    assert (transfer_of(spec).beta, transfer_of(spec).epochs) == (0.9, 13)


def test_nothing_is_compared_with_itself() -> None:
    assert resolved(method="vanilla").baselines == ()
    assert refusal(method="vanilla", baselines=["vanilla"]).field == "baselines.0"
    assert refusal(baselines=["vanilla", "neft", "vanilla"]).field == "baselines.2"
    shorter = {"method": "vanilla", "transfer": {"epochs": 3}}
    assert len(resolved(method="vanilla", baselines=[shorter]).baselines) == 1


@pytest.mark.parametrize("method", ["vanilla", "neft", "cartl"])
def test_what_lwf_is_made_of_is_an_option_of_other_methods(method: str) -> None:
    plain = transfer_of(resolved(method=method, freeze_depth=2))
    assert (plain.lwf_weight, plain.lwf_head_epochs, plain.anchor_weight) == (None, 0, None)
    asked = {"lwf_weight": 0.1, "lwf_head_epochs": 2, "anchor_weight": 0.01}
    found = transfer_of(resolved(method=method, freeze_depth=2, transfer=asked))
    assert (found.lwf_weight, found.lwf_head_epochs, found.anchor_weight) == (0.1, 2, 0.01)
    assert resolved(method=method, freeze_depth=2, transfer={"lwf_weight": None}).transfer == plain
    error = refusal(method=method, freeze_depth=2, transfer={"epochs": 3, "lwf_head_epochs": 4})
    assert (error.field, error.allowed) == ("transfer.lwf_head_epochs", "0 to 3")


def test_lwf_keeps_half_of_a_short_training_for_its_head() -> None:
    short = {"epochs": 5}
    assert resolved(baselines=["lwf"], transfer=short).baselines[0].transfer.lwf_head_epochs == 2
    assert transfer_of(resolved(method="lwf", freeze_depth=0)).lwf_head_epochs == 6
    whole = {"epochs": 5, "lwf_head_epochs": 5}
    assert transfer_of(resolved(method="lwf", freeze_depth=0, transfer=whole)).lwf_head_epochs == 5
    error = refusal(method="lwf", freeze_depth=0, transfer={"epochs": 5, "lwf_head_epochs": 6})
    assert (error.field, error.allowed) == ("transfer.lwf_head_epochs", "0 to 5")


# --- displaced features --------------------------------------------------------------------------


def test_features_are_displaced_as_far_as_the_teacher_was_trained() -> None:
    def displacement(**changes: Any) -> DisplacementSpec | None:
        return transfer_of(resolved(**changes)).displacement

    assert displacement() is None
    found = displacement(transfer={"displacement": {}})
    assert found == DisplacementSpec(eps=0.15, step=0.0375, steps=10, copies=1, weight=1.0)
    wider = displacement(pretrain={"attack": {"eps": 0.2}}, transfer={"displacement": {"weight": 2.0}})
    assert wider == DisplacementSpec(eps=0.2, step=0.05, steps=10, copies=1, weight=2.0)
    own = displacement(transfer={"displacement": {"eps": 0.04, "steps": 3}})
    assert own == DisplacementSpec(eps=0.04, step=0.01, steps=3)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"method": "vanilla", "freeze_depth": 0}, "transfer.displacement"),
        ({"transfer": {"trunk_statistics": "running"}}, "transfer.trunk_statistics"),
        ({"preset": "paper"}, "transfer.displacement"),
        ({"transfer": {"augmentation": "crop_flip"}}, "transfer.augmentation"),
        ({"transfer": {"noise_sigma": 0.1}}, "transfer.noise_sigma"),
        ({"transfer": {"displacement": {"eps": None}}}, "transfer.displacement.eps"),
        ({"transfer": {"displacement": {"step": None}}}, "transfer.displacement.step"),
        ({"pretrain": {"attack": {"eps": 0.0}}}, "pretrain.attack.eps"),
    ],
)
def test_features_that_do_not_stay_are_not_displaced(changes: dict[str, Any], field: str) -> None:
    """Each refusal names what the options need."""
    transfer = {"displacement": {}} | changes.get("transfer", {})
    error = refusal(**changes | {"transfer": transfer})
    assert error.field == field
    assert error.allowed or error.message


def test_consistent_tuning_is_what_the_catalog_says_at_any_preset() -> None:
    for preset in PRESETS:
        transfer = transfer_of(resolved(method="consistent", preset=preset))
        assert (transfer.augmentation, transfer.trunk_statistics) == ("none", "teacher")
        moved = transfer.displacement
        assert moved is not None
        assert (moved.loss, moved.direction, moved.reach, moved.weight) == ("consistency", "tail", 0.25, 1.0)
        assert moved.eps == pretrain_of(resolved(method="consistent", preset=preset)).attack.eps
    firm = resolved(method="consistent", transfer={"displacement": {"weight": 4.0}})
    firmer = transfer_of(firm).displacement
    assert firmer is not None
    assert (firmer.direction, firmer.weight) == ("tail", 4.0)


@pytest.mark.parametrize("name", DATASETS)
def test_how_firmly_consistent_tuning_asks_for_equal_answers_hangs_on_the_target(name: str) -> None:
    other = "fashion_mnist" if name != "fashion_mnist" else "cifar10"
    spec = resolved(dataset=name, source=other, method="consistent", freeze_depth=1)
    displacement = transfer_of(spec).displacement
    assert displacement is not None
    assert displacement.weight == (4.0 if name in ("cifar10", "cifar100") else 1.0)


def test_consistent_tuning_needs_a_trunk_and_its_displacement() -> None:
    assert refusal(method="consistent", freeze_depth=0).field == "freeze_depth"
    assert refusal(method="consistent", transfer={"displacement": None}).field == "transfer.displacement"
    error = refusal(method="consistent", transfer={"augmentation": "crop_flip"})
    assert (error.field, error.allowed) == ("transfer.augmentation", "none")
