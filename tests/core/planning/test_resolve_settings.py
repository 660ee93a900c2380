"""Which settings go with which method, and what null stands for."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import combinations_with_replacement
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from cartl_core.catalog import DISTANCE_WEIGHTS, METHODS, OPERATOR_BETA, PRESETS, model_facts
from cartl_core.errors import SpecError
from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest, TransferSpec
from cartl_core.spec.arm import AUTO
from tests.fixtures.requests import depth_for, pretrain_of, refusal, resolved, transfer_of

FOREIGN = [
    ("vanilla", "pretrain", "fdm_weight", 0.1),
    ("vanilla", "pretrain", "fdm_weight", 0.0),
    ("vanilla", "pretrain", "objective", "fdm"),
    ("vanilla", "pretrain", "fdm_distance", "spread"),
    ("neft", "pretrain", "fdm_layers", "every"),
    ("cartl", "pretrain", "objective", "at"),
    ("vanilla", "transfer", "beta", 0.4),
    ("lwf", "transfer", "beta", 0.4),
    ("adversarial", "transfer", "beta", 0.4),
    ("vanilla", "transfer", "norm", "operator"),
    ("adversarial", "transfer", "lwf_weight", 0.1),
    ("adversarial", "transfer", "lwf_head_epochs", 1),
    ("adversarial", "transfer", "anchor_weight", 0.1),
    ("lwf", "transfer", "anchor_weight", 0.0),
    ("cartl", "transfer", "attack", {"eps": 0.1}),
    ("lwf", "transfer", "displacement", {}),
    ("adversarial", "transfer", "displacement", {"steps": 3}),
    ("vanilla", "transfer", "schedule", "epsilon"),
    ("lwf", "transfer", "schedule", "epsilon"),
    ("vanilla", "transfer", "tail_weights", "frozen"),
    ("linear_probe", "transfer", "tail_weights", "frozen"),
    ("bitfit", "transfer", "tail_affine", "frozen"),
    ("linear_probe", "transfer", "tail_affine", "frozen"),
    ("linear_probe", "transfer", "lwf_head_epochs", 1),
    ("linear_probe", "transfer", "lwf_weight", 0.1),
    ("linear_probe", "transfer", "anchor_weight", 0.1),
    ("bitfit", "transfer", "attack", {"eps": 0.1}),
    ("bitfit", "transfer", "beta", 0.4),
]
WRITTEN_OFF = {
    "lwf_head_epochs": 0,
    "fdm_distance": "absolute",
    "fdm_layers": "trunk",
    "norm": "reshaped",
    "schedule": "constant",
    "tail_weights": "tuned",
    "tail_affine": "tuned",
}
NEEDED = [
    ("cartl", "pretrain", "fdm_weight"),
    ("cartl", "transfer", "beta"),
    ("neft", "transfer", "beta"),
    ("lwf", "transfer", "lwf_weight"),
    ("adversarial", "transfer", "attack"),
    ("adversarial", "transfer", "schedule"),
    ("bitfit", "transfer", "tail_weights"),
]


def test_beta_follows_the_norm_that_it_scales() -> None:
    def beta(**transfer: Any) -> float | None:
        return transfer_of(resolved(transfer=transfer)).beta

    assert beta() == PRESETS["quick"].beta
    assert beta(norm="operator") == OPERATOR_BETA
    assert beta(norm="operator", beta=0.5) == 0.5
    assert beta(beta=2.0) == 2.0
    error = refusal(transfer={"norm": "operator", "beta": 1.01})
    assert (error.field, "at most 1" in (error.allowed or "")) == ("transfer.norm", True)
    plain = TransferSpec.model_validate(dict(transfer_of(resolved())) | {"beta": None})
    with pytest.raises(ValidationError, match="operator norm takes no beta"):
        TransferSpec.model_validate(dict(plain) | {"norm": "operator"})


def test_lambda_follows_the_distance_it_weighs() -> None:
    def weight(**pretrain: Any) -> float | None:
        return pretrain_of(resolved(pretrain=pretrain)).fdm_weight

    assert weight() == PRESETS["quick"].fdm_weight
    assert weight(fdm_distance="absolute") == PRESETS["quick"].fdm_weight
    for distance, usual in DISTANCE_WEIGHTS.items():
        assert weight(fdm_distance=distance) == usual
    assert weight(fdm_distance="spread", fdm_weight=0.5) == 0.5


@pytest.mark.parametrize(("method", "part", "field", "value"), FOREIGN)
def test_a_setting_of_another_method_is_refused(method: str, part: str, field: str, value: Any) -> None:
    depth = depth_for(method)
    error = refusal(method=method, freeze_depth=depth, **{part: {field: value}})
    assert error.field == f"{part}.{field}"
    assert error.allowed
    baseline = {"method": method, "freeze_depth": depth, part: {field: value}}
    assert refusal(method="neft", baselines=["lwf", baseline]).field == f"baselines.1.{part}.{field}"


@pytest.mark.parametrize(("method", "part", "field"), NEEDED)
def test_a_method_cannot_be_robbed_of_what_makes_it(method: str, part: str, field: str) -> None:
    depth = depth_for(method)
    assert refusal(method=method, freeze_depth=depth, **{part: {field: None}}).field == f"{part}.{field}"
    baseline = {"method": method, "freeze_depth": depth, part: {field: None}}
    assert refusal(method="vanilla", baselines=[baseline]).field == f"baselines.0.{part}.{field}"


def test_what_makes_bitfit_cannot_be_switched_off() -> None:
    error = refusal(method="bitfit", transfer={"tail_weights": "tuned"})
    assert (error.field, error.allowed) == ("transfer.tail_weights", "frozen, or leave it out")
    assert transfer_of(resolved(method="bitfit", transfer={"tail_weights": "frozen"})) == transfer_of(
        resolved(method="bitfit")
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_a_linear_probe_learns_from_features_that_stay(preset: str) -> None:
    blocks = model_facts(resolved(preset, freeze_depth=0, method="vanilla").model.name).blocks
    spec = resolved(preset, method="linear_probe", freeze_depth=blocks - 1)
    assert transfer_of(spec).fixed_features
    shared = {"augmentation": "crop_flip", "noise_sigma": 0.1, "trunk_statistics": "running"}
    beside = resolved(preset, transfer=shared, baselines=["linear_probe"]).baselines[0].transfer
    assert beside.fixed_features
    own = {"method": "linear_probe", "transfer": {"displacement": {}}}
    moved = resolved(preset, baselines=[own]).baselines[0].transfer.displacement
    assert moved is not None
    assert (moved.loss, moved.direction) == ("cross_entropy", "trunk")


@pytest.mark.parametrize(("method", "part", "field", "value"), FOREIGN)
def test_off_may_be_written_where_it_is_off(method: str, part: str, field: str, value: Any) -> None:
    off = {**WRITTEN_OFF, "objective": METHODS[method].objective}.get(field)
    depth = depth_for(method)
    assert resolved(method=method, freeze_depth=depth, **{part: {field: off}}) == resolved(
        method=method, freeze_depth=depth
    )


@pytest.mark.parametrize(
    ("path", "allowed_null"),
    [
        ("pretrain.epochs", False),
        ("pretrain.attack", False),
        ("pretrain.attack.eps", False),
        ("pretrain.objective", False),
        ("transfer.lr", False),
        ("transfer.lwf_head_epochs", False),
        ("evaluate.attacks", False),
        ("evaluate.batch_size", False),
        ("evaluate.test_limit", True),
        ("evaluate.source_test_limit", True),
        ("dataset.train_limit", True),
        ("dataset.classes", True),
    ],
)
def test_an_explicit_null_is_a_value(path: str, allowed_null: bool) -> None:
    """Null means "off" or "all" where a field has that; it never stands for "left open"."""
    changes: dict[str, Any] = {}
    at = changes
    *parents, last = path.split(".")
    for parent in parents:
        at = at.setdefault(parent, {"name": "fashion_mnist"} if parent == "dataset" else {})
    at[last] = None
    if not allowed_null:
        assert refusal(**changes).field == path
        return
    value: Any = resolved(**changes).model_dump()
    for step in path.split("."):
        value = value[step]
    assert value is None


@pytest.mark.parametrize("part", ["source", "model", "preset", "pretrain", "transfer", "evaluate", "name"])
def test_a_whole_part_that_is_null_is_left_open(part: str) -> None:
    assert resolved(**{part: None}) == resolved()


def paths_of(model: type[BaseModel], levels: int = 4) -> Iterator[tuple[str, ...]]:
    """Every field of a request and of the settings in it."""
    for name, field in model.model_fields.items():
        yield (name,)
        for part in parts_of(field.annotation) if levels > 1 else ():
            yield from ((name, *rest) for rest in paths_of(part, levels - 1))


def parts_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from parts_of(argument)


def with_null(request: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any] | None:
    """A copy with null there; None where a part above is no object."""
    changed = deepcopy(request)
    at: Any = changed
    for parent in path[:-1]:
        at = at.setdefault(parent, {"name": "svhn"} if parent in ("dataset", "source") else {})
        if not isinstance(at, dict):
            return None
    at[path[-1]] = None
    return changed


@pytest.mark.parametrize(
    "base",
    [
        {"dataset": {"name": "svhn"}, "freeze_depth": 2, "method": method}
        for method in ("cartl", "consistent", "vanilla", AUTO)
    ]
    + [{"dataset": {"name": "svhn"}, "freeze_depth": AUTO}],
)
def test_any_two_nulls_make_a_specification_or_an_error_that_names_a_field(base: dict[str, Any]) -> None:
    def is_request(written: dict[str, Any] | None) -> bool:
        try:
            return written is not None and bool(JobRequest.model_validate(written))
        except ValidationError:
            return False

    paths = [path for path in dict.fromkeys(paths_of(JobRequest)) if is_request(with_null(base, path))]
    assert {("auto", "attack", "name"), ("pretrain", "attack")} <= set(paths)
    for one, other in combinations_with_replacement(paths, 2):
        written = with_null(with_null(base, one) or base, other)
        if written is None or not is_request(written):
            continue
        try:
            resolve(JobRequest.model_validate(written))
        except SpecError as error:
            assert error.field, written
