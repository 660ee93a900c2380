from __future__ import annotations

import json
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cartl_core.catalog import DATASETS, DISTANCE_WEIGHTS, METHODS, OPERATOR_BETA, PRESETS, model_facts
from cartl_core.resolve import resolve
from cartl_core.spec import FeatureDistance, JobRequest, JobSpec, TransferSpec
from tests.fixtures.requests import refusal, resolved


def depth_for(method: str) -> int:
    return 0 if METHODS[method].distilled else 2


# --- everything resolves, and to itself ----------------------------------------------------------


@pytest.mark.parametrize(("preset", "method", "dataset"), list(product(PRESETS, METHODS, DATASETS)))
def test_every_preset_method_and_data_set(preset: str, method: str, dataset: str) -> None:
    spec = resolved(preset, dataset=dataset, freeze_depth=depth_for(method), method=method)
    facts = METHODS[method]
    assert (spec.preset, spec.method, spec.dataset.name) == (preset, method, dataset)
    assert spec.source.name == DATASETS[dataset].default_source
    assert spec.pretrain.objective == facts.objective
    assert (spec.pretrain.fdm_weight is not None) == (facts.objective == "fdm")
    assert (spec.transfer.beta is not None) == facts.nonexpansive
    assert (spec.transfer.lwf_weight is not None) == facts.distilled
    assert (spec.transfer.lwf_head_epochs > 0) == facts.distilled
    assert (spec.transfer.attack is not None) == facts.adversarial
    assert spec.transfer.tail_affine == ("frozen" if facts.frozen_affine else "tuned")
    assert spec.transfer.trunk_statistics == (
        "running" if preset == "paper" and not facts.displaced else "teacher"
    )
    assert (spec.transfer.displacement is not None) == facts.displaced
    assert spec.pretrain.attack.eps == DATASETS[spec.source.name].train_eps
    assert {attack.eps for attack in spec.evaluate.attacks} == {DATASETS[dataset].eval_eps}
    assert {attack.eps for attack in spec.evaluate.source_attacks} == {DATASETS[spec.source.name].eval_eps}
    assert [arm.method for arm in spec.baselines] == ([] if method == "vanilla" else ["vanilla"])
    assert again(spec) == spec


def again(spec: JobSpec) -> JobSpec:
    return resolve(JobRequest.model_validate_json(spec.model_dump_json()), "smoke")


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any part of the fields; a field that is there has a value."""
    return st.fixed_dictionaries({}, optional=fields)


STEPS = st.floats(1e-3, 1.0)
ATTACKS = st.fixed_dictionaries(
    {"eps": STEPS, "step": STEPS, "steps": st.integers(1, 50)},
    optional={"restarts": st.integers(1, 3), "random_start": st.booleans()},
)
TRAINING = {
    "epochs": st.integers(1, 60),
    "batch_size": st.integers(2, 512),
    "lr": st.floats(1e-4, 1.0),
    "lr_schedule": st.sampled_from(["step", "cosine", "constant"]),
    "milestones": st.lists(st.floats(0, 1), max_size=3),
    "warmup_epochs": st.integers(0, 3),
    "augmentation": st.sampled_from(["none", "crop_flip", "crop_flip_rotate"]),
    "select": st.sampled_from(["last", "best_clean", "best_robust", "pareto"]),
    "select_margin": st.floats(0, 1),
}
PART_OF_DISPLACEMENT = some(
    eps=STEPS,
    step=STEPS,
    steps=st.integers(1, 50),
    copies=st.integers(1, 4),
    weight=st.floats(0.1, 9),
    loss=st.sampled_from(["cross_entropy", "consistency"]),
    direction=st.sampled_from(["trunk", "tail"]),
    reach=st.floats(0.1, 2),
)
PART_OF_ATTACK = some(eps=STEPS, step=STEPS, steps=st.integers(1, 50), label=st.just("mine"))


@st.composite
def arms(draw: st.DrawFn, method: str) -> dict[str, Any]:
    """Overrides that fit ``method``."""
    facts = METHODS[method]
    pretrain: dict[str, Any] = {
        **TRAINING,
        "attack": PART_OF_ATTACK,
        "objective": st.just(facts.objective),
        "radii": st.lists(st.floats(0.01, 4), min_size=1, max_size=8),
    }
    transfer: dict[str, Any] = {
        **TRAINING,
        "epochs": st.integers(5, 60),
        "tail_affine": st.sampled_from(["tuned", "frozen"]),
        "tail_statistics": st.sampled_from(["batch", "teacher"]),
        "trunk_statistics": st.sampled_from(["running", "teacher", "recalibrated"]),
    }
    if facts.objective == "fdm":
        pretrain |= {
            "fdm_weight": st.floats(0, 1),
            "fdm_distance": st.sampled_from(get_args(FeatureDistance)),
            "fdm_layers": st.sampled_from(["trunk", "every"]),
        }
    if facts.nonexpansive:
        transfer |= {"beta": st.floats(0.1, 1), "norm": st.sampled_from(["reshaped", "operator"])}
    if not facts.adversarial:
        transfer |= {"lwf_weight": st.floats(0, 1), "lwf_head_epochs": st.integers(0, 2)}
    if not (facts.adversarial or facts.distilled):
        transfer["anchor_weight"] = st.none() | st.floats(0, 1)
    if facts.adversarial:
        transfer |= {"attack": PART_OF_ATTACK, "schedule": st.sampled_from(["constant", "epsilon"])}
    if not (facts.adversarial or facts.distilled) and (facts.displaced or draw(st.booleans())):
        still = {
            "augmentation": st.just("none"),
            "trunk_statistics": st.sampled_from(["teacher", "recalibrated"]),
        }
        off = st.nothing() if facts.displaced else st.none()
        whole = {**transfer, **still, "displacement": PART_OF_DISPLACEMENT | off}
        return {
            "method": method,
            "pretrain": draw(some(**pretrain) | st.none()),
            "transfer": {"trunk_statistics": "teacher"} | draw(some(**whole)),
        }
    parts = {"pretrain": some(**pretrain) | st.none(), "transfer": some(**transfer) | st.none()}
    return {"method": method, **draw(st.fixed_dictionaries({}, optional=parts))}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    method = draw(st.sampled_from(list(METHODS)))
    model = draw(st.sampled_from(["tiny", "wrn-16-2", "resnet18"]))
    blocks = model_facts(model).blocks
    depth = draw(st.sampled_from(METHODS[method].depths(blocks)))
    dataset: Any = draw(st.sampled_from(list(DATASETS)))
    if draw(st.booleans()):
        labels = st.integers(0, len(DATASETS[dataset].classes) - 1)
        classes = draw(st.lists(labels, min_size=2, max_size=10, unique=True))
        dataset = {
            "name": dataset,
            "classes": classes,
            **draw(some(train_limit=st.none() | st.integers(10, 999))),
        }
    baselines = [
        {
            **draw(arms(other)),
            **({} if METHODS[other].distilled else {"freeze_depth": draw(st.integers(1, blocks - 1))}),
        }
        for other in draw(st.lists(st.sampled_from(list(METHODS)), max_size=2, unique=True))
        if other != method
    ]
    attacks = [
        {**attack, "label": f"attack{index}"}
        for index, attack in enumerate(draw(st.lists(ATTACKS, max_size=2)))
    ]
    extras = some(
        preset=st.sampled_from(list(PRESETS)) | st.none(),
        seed=st.integers(0, 2**31 - 1),
        name=st.text("abc ä", min_size=1, max_size=9),
        tags=st.lists(st.sampled_from(["a", "b=1"]), max_size=2),
        device=st.sampled_from(["auto", "cpu"]),
        precision=st.sampled_from(["auto", "fp32", "bf16"]),
        evaluate=some(attacks=st.just(attacks), test_limit=st.none() | st.integers(10, 99)) | st.none(),
        source=st.none(),
    )
    own = draw(arms(method))
    if depth == 0 and own.get("transfer"):
        own["transfer"].pop("displacement", None)
    return {
        "dataset": dataset,
        "freeze_depth": depth,
        "model": draw(
            st.sampled_from([model, {"name": model}, {"name": model, "stem_stride": 1, "channels": 3}])
        ),
        "baselines": baselines,
        **own,
        **draw(extras),
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests())
def test_resolving_is_a_fixed_point(written: dict[str, Any]) -> None:
    request = JobRequest.model_validate_json(json.dumps(written))
    spec = resolve(request)
    assert again(spec) == spec
    assert again(spec).model_dump_json() == spec.model_dump_json()
    assert JobSpec.model_validate_json(spec.model_dump_json()) == spec
    assert resolve(request) == spec


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests())
def test_what_was_written_is_what_runs(written: dict[str, Any]) -> None:
    spec = json.loads(resolve(JobRequest.model_validate_json(json.dumps(written))).model_dump_json())
    ran = [spec, *spec["baselines"]]
    for arm, wanted in zip(ran, [written, *written["baselines"]], strict=True):
        for part in ("pretrain", "transfer"):
            for field, value in (wanted.get(part) or {}).items():
                got = arm[part][field]
                if isinstance(value, dict):
                    assert value.items() <= got.items()
                else:
                    assert got == value, (part, field)


# --- methods and their settings ------------------------------------------------------------------

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
]
WRITTEN_OFF = {
    "lwf_head_epochs": 0,
    "fdm_distance": "absolute",
    "fdm_layers": "trunk",
    "norm": "reshaped",
    "schedule": "constant",
}
NEEDED = [
    ("cartl", "pretrain", "fdm_weight"),
    ("cartl", "transfer", "beta"),
    ("neft", "transfer", "beta"),
    ("lwf", "transfer", "lwf_weight"),
    ("adversarial", "transfer", "attack"),
    ("adversarial", "transfer", "schedule"),
]


def test_beta_follows_the_norm_that_it_scales() -> None:
    def beta(**transfer: Any) -> float | None:
        return resolved(transfer=transfer).transfer.beta

    assert beta() == PRESETS["quick"].beta
    assert beta(norm="operator") == OPERATOR_BETA
    assert beta(norm="operator", beta=0.5) == 0.5
    assert beta(beta=2.0) == 2.0
    error = refusal(transfer={"norm": "operator", "beta": 1.01})
    assert (error.field, "at most 1" in error.message) == ("transfer.norm", True)
    plain = TransferSpec.model_validate(dict(resolved().transfer) | {"beta": None})
    with pytest.raises(ValidationError, match="operator norm needs a beta"):
        TransferSpec.model_validate(dict(plain) | {"norm": "operator"})


def test_lambda_follows_the_distance_it_weighs() -> None:
    def weight(**pretrain: Any) -> float | None:
        return resolved(pretrain=pretrain).pretrain.fdm_weight

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


# --- depths --------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["tiny", "wrn-28-10", "wrn-34-10", "resnet18"])
@pytest.mark.parametrize("method", METHODS)
def test_depths_at_both_ends(method: str, model: str) -> None:
    facts, blocks = METHODS[method], model_facts(model).blocks
    lowest = 1 if facts.objective == "fdm" or facts.displaced else 0
    highest = 0 if facts.distilled else blocks - 1
    for depth in (lowest, highest):
        spec = resolved(model=model, method=method, freeze_depth=depth, baselines=[])
        assert spec.freeze_depth == depth
    for depth in {highest + 1, lowest - 1} - {-1}:
        error = refusal(model=model, method=method, freeze_depth=depth, baselines=[])
        assert error.field == "freeze_depth"
        assert error.allowed == ("0" if facts.distilled else f"{lowest} to {highest}")


def test_a_baselines_depth_follows_the_job_or_its_own_method() -> None:
    spec = resolved(freeze_depth=4, baselines=["vanilla", "lwf", {"method": "neft", "freeze_depth": 2}])
    assert [arm.freeze_depth for arm in spec.baselines] == [4, 0, 2]
    error = refusal(method="lwf", freeze_depth=0, baselines=["cartl"])
    assert (error.field, error.allowed) == ("baselines.0.freeze_depth", "1 to 7")


# --- data and network ----------------------------------------------------------------------------


def test_a_subset_takes_the_other_classes_as_its_source() -> None:
    spec = resolved(dataset={"name": "fashion_mnist", "classes": [6, 9, 7, 8]})
    assert spec.source.name == "fashion_mnist"
    assert spec.source.classes == (0, 1, 2, 3, 4, 5)
    assert spec.dataset.classes == (6, 9, 7, 8), "the order is the user's"
    assert (spec.dataset.train_limit, spec.source.train_limit) == (6_000, 10_000)


def test_a_subset_that_leaves_one_class_takes_the_catalogs_source() -> None:
    spec = resolved(dataset={"name": "fashion_mnist", "classes": list(range(9))})
    assert (spec.source.name, spec.source.classes) == ("mnist", None)


@pytest.mark.parametrize(
    ("dataset", "source", "shared"),
    [
        ("mnist", "mnist", "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"),
        ({"name": "mnist", "classes": [1, 2]}, "mnist", "[1, 2]"),
        ("mnist", {"name": "mnist", "classes": [3, 4]}, "[3, 4]"),
        ({"name": "mnist", "classes": [1, 2, 3]}, {"name": "mnist", "classes": [3, 4]}, "[3]"),
    ],
)
def test_shared_classes_are_refused(dataset: Any, source: Any, shared: str) -> None:
    error = refusal(dataset=dataset, source=source)
    assert error.field == "source"
    assert shared in error.message


def test_disjoint_classes_of_one_data_set_are_allowed() -> None:
    spec = resolved(dataset={"name": "mnist", "classes": [1, 2]}, source={"name": "mnist", "classes": [3, 4]})
    assert (spec.dataset.classes, spec.source.classes) == ((1, 2), (3, 4))


@pytest.mark.parametrize("field", ["dataset", "source"])
def test_classes_that_are_not_there(field: str) -> None:
    for classes, allowed in (([0, 10], "0 to 9"), ([1, 1], "distinct labels")):
        error = refusal(**{"dataset": "mnist", field: {"name": "svhn", "classes": classes}})
        assert (error.field, error.allowed) == (f"{field}.classes", allowed)


@pytest.mark.parametrize(
    ("dataset", "source", "size", "channels"),
    [
        ("mnist", "svhn", 32, 3),
        ("cifar10", "mnist", 28, 3),
        ("fashion_mnist", "mnist", 28, 1),
        ("mnist", "digits", 8, 1),
    ],
)
def test_the_networks_input_is_the_sources_in_colour_if_either_is(
    dataset: str, source: str, size: int, channels: int
) -> None:
    model = resolved(dataset=dataset, source=source).model
    assert (model.image_size, model.channels) == (size, channels)


def test_colour_images_do_not_go_into_a_grey_network() -> None:
    for dataset, source in (("cifar10", "mnist"), ("mnist", "cifar10")):
        error = refusal(dataset=dataset, source=source, model={"name": "tiny", "channels": 1})
        assert (error.field, error.allowed) == ("model.channels", "3")


@pytest.mark.parametrize(
    ("dataset", "source", "model"),
    [
        ("cifar10", "cifar100", "wrn-34-10"),
        ("svhn", "cifar10", "wrn-28-4"),
        ("mnist", "svhn", "resnet18"),
        ("mnist", "fashion_mnist", "wrn-28-4"),
    ],
)
def test_the_paper_preset_takes_the_papers_network(dataset: str, source: str, model: str) -> None:
    assert resolved("paper", dataset=dataset, source=source).model.name == model


def test_an_unknown_network_lists_the_known_ones() -> None:
    error = refusal(model="vgg16")
    assert error.field == "model.name"
    assert "wrn-34-10" in str(error)


def test_the_requests_preset_wins_over_the_deployments() -> None:
    assert resolved("paper", preset="smoke") == resolved("smoke")
    assert resolved("paper").preset == "paper"


def test_a_loss_that_needs_more_classes_is_refused() -> None:
    attack = {"label": "a", "loss": "dlr", "eps": 0.1, "step": 0.01, "steps": 2}
    for field in ("attacks", "source_attacks"):
        refused = refusal(
            dataset={"name": "mnist", "classes": [0, 1]},
            source={"name": "mnist", "classes": [2, 3]},
            evaluate={field: [attack]},
        )
        assert refused.field == f"evaluate.{field}.0.loss"
        assert refused.allowed == "ce, margin"


def test_two_attacks_of_one_label_are_refused() -> None:
    attack = {"label": "a", "eps": 0.1, "step": 0.01, "steps": 2}
    for field in ("attacks", "source_attacks"):
        assert refusal(evaluate={field: [attack, attack]}).field == f"evaluate.{field}"
