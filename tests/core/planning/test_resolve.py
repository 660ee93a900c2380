"""Every preset, method and data set resolves, to itself, and what was written is what runs."""

from __future__ import annotations

import json
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartl_core.catalog import DATASETS, METHODS, PRESETS, MethodFacts, model_facts
from cartl_core.planning.resolve import resolve
from cartl_core.spec import FeatureDistance, JobRequest, JobSpec
from tests.fixtures.requests import depth_for, pretrain_of, resolved, source_of, transfer_of


@pytest.mark.parametrize(("preset", "method", "dataset"), list(product(PRESETS, METHODS, DATASETS)))
def test_every_preset_method_and_data_set(preset: str, method: str, dataset: str) -> None:
    blocks = model_facts(
        resolved(preset, dataset=dataset, freeze_depth=0, method="vanilla").model.name
    ).blocks
    spec = resolved(preset, dataset=dataset, freeze_depth=depth_for(method, blocks), method=method)
    facts = METHODS[method]
    assert (spec.preset, spec.method, spec.dataset.name) == (preset, method, dataset)
    assert source_of(spec).name == DATASETS[dataset].default_source
    assert pretrain_of(spec).objective == facts.objective
    assert (pretrain_of(spec).fdm_weight is not None) == (facts.objective == "fdm")
    assert (transfer_of(spec).beta is not None) == facts.nonexpansive
    assert (transfer_of(spec).lwf_weight is not None) == facts.distilled
    assert (transfer_of(spec).lwf_head_epochs > 0) == facts.distilled
    assert (transfer_of(spec).attack is not None) == facts.adversarial
    published = preset == "paper" and method in ("vanilla", "neft")
    assert transfer_of(spec).tail_affine == ("frozen" if facts.frozen_affine or published else "tuned")
    assert transfer_of(spec).tail_weights == ("frozen" if method == "bitfit" else "tuned")
    assert transfer_of(spec).trunk_statistics == (
        "running" if preset == "paper" and not facts.fixed_features and method != "vanilla" else "teacher"
    )
    assert (transfer_of(spec).displacement is not None) == facts.displaced
    assert pretrain_of(spec).attack.eps == DATASETS[source_of(spec).name].train_eps
    assert {attack.eps for attack in spec.evaluate.attacks} == {DATASETS[dataset].eval_eps}
    assert {attack.eps for attack in spec.evaluate.source_attacks} == {
        DATASETS[source_of(spec).name].eval_eps
    }
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
    "class_weights": st.sampled_from(["none", "inverse", "inverse_sqrt"]),
    "sampling": st.sampled_from(["uniform", "balanced"]),
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


def tunes_affine(facts: MethodFacts) -> bool:
    """Whether it leaves a choice of what is tuned of the tail's batch norm."""
    return not (facts.head_only or facts.frozen_weights)


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
        **({"tail_affine": st.sampled_from(["tuned", "frozen"])} if tunes_affine(facts) else {}),
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
    if not (facts.adversarial or facts.head_only):
        transfer |= {"lwf_weight": st.floats(0, 1), "lwf_head_epochs": st.integers(0, 2)}
    if not (facts.adversarial or facts.distilled or facts.head_only):
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
            "transfer": {"trunk_statistics": "teacher", "augmentation": "none"} | draw(some(**whole)),
        }
    parts = {"pretrain": some(**pretrain) | st.none(), "transfer": some(**transfer) | st.none()}
    return {"method": method, **draw(st.fixed_dictionaries({}, optional=parts))}


def has_own_depth(method: str) -> bool:
    return METHODS[method].own_depth(5) is not None


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
            **({} if has_own_depth(other) else {"freeze_depth": draw(st.integers(1, blocks - 1))}),
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
