"""What `auto` resolves to: stated candidates, plain transfer at every depth; errors name the field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartl_core.catalog import DATASETS, KNOWN_MODELS, METHODS, model_facts
from cartl_core.catalog.candidates import CANDIDATES, FARTHER, PLAIN, depths_to_try, plain_ones
from cartl_core.errors import SpecError
from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest, JobSpec
from cartl_core.spec.arm import MOST_CANDIDATES, Method
from tests.fixtures.requests import pretrain_of

LEAST: dict[str, Any] = {"dataset": "fashion_mnist", "method": "auto", "freeze_depth": "auto"}


def resolved(**changes: Any) -> JobSpec:
    spec = resolve(JobRequest.model_validate_json(json.dumps({**LEAST, **changes})), "smoke")
    assert resolve(JobRequest.model_validate_json(spec.model_dump_json()), "quick") == spec
    return spec


def tried(spec: JobSpec) -> list[tuple[str, int]]:
    assert spec.auto is not None
    return [(arm.method, arm.freeze_depth) for arm in spec.auto.candidates]


def rivals(spec: JobSpec) -> list[int]:
    """Places of the candidates that are plain transfer."""
    assert spec.auto is not None
    return [place for place, plain in enumerate(plain_ones(spec.auto.candidates)) if plain]


def test_both_auto_tries_every_row_at_every_depth() -> None:
    spec = resolved(model="wrn-16-2")
    assert tried(spec) == [(row.method, depth) for row in CANDIDATES for depth in (2, 4, 6)]
    assert (spec.method, spec.freeze_depth, spec.pretrain, spec.transfer) == ("auto", "auto", None, None)
    assert spec.baselines == ()
    assert spec.auto is not None
    assert (spec.auto.margin, spec.auto.lead) == (0.01, 2.0)
    facts = DATASETS["fashion_mnist"]
    attack = spec.auto.attack
    assert (attack.name, attack.eps, attack.step, attack.steps) == (
        "pgd",
        facts.eval_eps,
        facts.eval_step,
        20,
    )
    with pytest.raises(ValueError, match="a run chooses"):
        _ = spec.arm


def test_two_teachers_serve_every_depth_and_the_second_is_trained_within_a_larger_radius() -> None:
    spec = resolved(model="wrn-16-2")
    assert spec.auto is not None
    assert all(pretrain_of(arm).serves_every_depth for arm in spec.auto.candidates)
    near, far = dict.fromkeys(pretrain_of(arm) for arm in spec.auto.candidates)
    assert (near.radii, far.radii) == ((1.0,), (1.5,))
    assert far.model_copy(update={"radii": near.radii}) == near
    methods = {arm.method for arm in spec.auto.candidates if arm.pretrain == far}
    assert methods == {PLAIN, "consistent"}


def test_from_a_teacher_of_a_larger_radius_plain_transfer_is_a_challenger() -> None:
    spec = resolved(model="wrn-16-2")
    assert spec.auto is not None
    assert rivals(spec) == [0, 1, 2]
    assert [pretrain_of(arm).radii for arm in spec.auto.candidates if arm.method == PLAIN] == [(1.0,)] * 3 + [
        (1.5,)
    ] * 3
    # Where the job's own teacher is trained within it, it is the rival again, and there is but one teacher.
    alike = resolved(model="wrn-16-2", pretrain={"radii": [1.5]})
    assert alike.auto is not None
    assert len({arm.pretrain for arm in alike.auto.candidates}) == 1
    assert rivals(alike) == [0, 1, 2]


FAR_PLAIN, NEAR_PLAIN = (
    {"method": PLAIN, "freeze_depth": 2, "pretrain": {"radii": radii}} for radii in ([0.5, 2.0], [1.5])
)


@pytest.mark.parametrize(
    ("candidates", "found", "plain"),
    [
        pytest.param([FAR_PLAIN], [(PLAIN, 2)], [0], id="alone it is the rival"),
        pytest.param([FAR_PLAIN, NEAR_PLAIN], [(PLAIN, 2), (PLAIN, 2)], [1], id="the nearer one is"),
        pytest.param(
            [FAR_PLAIN, {"method": "neft", "freeze_depth": 3}],
            [(PLAIN, 2), ("neft", 3), (PLAIN, 3)],
            [0, 2],
            id="each depth has its own",
        ),
        pytest.param(
            [{"method": "neft", "freeze_depth": 2, "pretrain": {"radii": [1.0]}}],
            [("neft", 2), (PLAIN, 2)],
            [1],
            id="the job's teacher is farther than a candidate's",
        ),
    ],
)
def test_each_depth_has_its_baseline_whatever_teachers_a_person_writes(
    candidates: Any, found: list[tuple[str, int]], plain: list[int]
) -> None:
    spec = resolved(pretrain={"radii": [3.0]}, auto={"candidates": candidates})
    assert tried(spec) == found
    assert rivals(spec) == plain


@pytest.mark.parametrize("name", KNOWN_MODELS)
def test_depths_lie_within_the_network(name: str) -> None:
    blocks = model_facts(name).blocks
    depths = depths_to_try(blocks)
    assert list(depths) == sorted(set(depths))
    assert 1 <= depths[0] <= depths[-1] <= blocks - 2
    assert len(depths) * len(CANDIDATES) <= MOST_CANDIDATES


@pytest.mark.parametrize("method", [name for name, facts in METHODS.items() if facts.own_depth(5) is None])
def test_a_method_of_ones_own_is_tried_beside_plain_transfer(method: Method) -> None:
    depths = depths_to_try(5)
    near = [row.method for row in CANDIDATES if row.pretrain != FARTHER]
    own = [name for name in near if name == method] or [method]
    methods = own if method == PLAIN else [PLAIN, *own]
    spec = resolved(method=method)
    assert tried(spec) == [(name, depth) for name in methods for depth in depths]
    assert spec.auto is not None
    assert len({arm.pretrain for arm in spec.auto.candidates}) <= 2
    assert all(pretrain_of(arm).radii == (1.0,) for arm in spec.auto.candidates)


def test_a_depth_of_ones_own_tries_the_methods_that_it_allows() -> None:
    assert tried(resolved(freeze_depth=2)) == [(row.method, 2) for row in CANDIDATES]
    at_0 = [(row.method, 0) for row in CANDIDATES if 0 in METHODS[row.method].depths(5)]
    assert tried(resolved(freeze_depth=0)) == at_0
    assert 0 < len(at_0) < len(CANDIDATES)


def test_adversarial_tuning_is_tried_within_a_quarter_and_half_of_the_teachers_radius() -> None:
    spec = resolved(method="adversarial", model="wrn-16-2")
    assert spec.auto is not None
    attacks = {arm.transfer.attack for arm in spec.auto.candidates if arm.method == "adversarial"}
    eps = pretrain_of(spec.auto.candidates[0]).attack.eps
    found = {(attack.eps, attack.step, attack.steps) for attack in attacks if attack}
    assert found == {(share * eps, 0.75 * share * eps, 2) for share in (0.25, 0.5)}


def test_consistent_tuning_is_tried_at_two_weights() -> None:
    spec = resolved(method="consistent", freeze_depth="auto", model="wrn-16-2")
    assert spec.auto is not None
    weights = [arm.transfer.displacement and arm.transfer.displacement.weight for arm in spec.auto.candidates]
    assert weights == [None] * 3 + [1.0] * 3 + [4.0] * 3
    assert len({arm.pretrain for arm in spec.auto.candidates}) == 1


def test_what_the_job_says_holds_for_all_and_what_its_method_says_for_that_one() -> None:
    spec = resolved(method="cartl", transfer={"epochs": 7, "beta": 0.3}, pretrain={"fdm_layers": "trunk"})
    assert spec.auto is not None
    for arm in spec.auto.candidates:
        assert arm.transfer.epochs == 7
        assert arm.transfer.beta == (0.3 if arm.method == "cartl" else None)
        assert pretrain_of(arm).fdm_layers == "trunk"


def test_candidates_of_ones_own() -> None:
    spec = resolved(
        auto={
            "margin": 0.02,
            "lead": 1.5,
            "validation_images": 50,
            "attack": {"steps": 5},
            "candidates": [
                "neft",
                {"method": "cartl", "freeze_depth": 1, "transfer": {"beta": 0.4}},
                {"method": "cartl", "freeze_depth": 1, "transfer": {"beta": 0.5}},
            ],
        }
    )
    assert tried(spec) == [
        ("neft", 1),
        ("neft", 2),
        ("neft", 3),
        ("cartl", 1),
        ("cartl", 1),
        (PLAIN, 1),
        (PLAIN, 2),
        (PLAIN, 3),
    ]
    assert spec.auto is not None
    assert (spec.auto.margin, spec.auto.lead) == (0.02, 1.5)
    assert (spec.auto.validation_images, spec.auto.attack.steps) == (50, 5)


def test_a_candidate_that_has_one_depth_alone_is_tried_there() -> None:
    spec = resolved(auto={"candidates": ["lwf", "linear_probe", {"method": "bitfit", "freeze_depth": 2}]})
    assert tried(spec) == [
        ("lwf", 0),
        ("linear_probe", 4),
        ("bitfit", 2),
        (PLAIN, 0),
        (PLAIN, 2),
        (PLAIN, 4),
    ]


@settings(max_examples=40, deadline=None)
@given(
    method=st.sampled_from(["auto", *METHODS]),
    depth=st.sampled_from(["auto", 0, 1, 2, 4]),
    model=st.sampled_from(["tiny", "wrn-16-2", "resnet18"]),
    candidates=st.none()
    | st.lists(
        st.fixed_dictionaries(
            {"method": st.sampled_from(list(METHODS))}, optional={"freeze_depth": st.integers(0, 4)}
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_plain_transfer_is_among_them_at_every_depth(
    method: str, depth: Any, model: str, candidates: Any
) -> None:
    changes = {} if candidates is None else {"auto": {"candidates": candidates}}
    try:
        spec = resolved(method=method, freeze_depth=depth, model=model, **changes)
    except SpecError:
        return
    if "auto" not in (method, depth):
        assert spec.auto is None
        return
    found = tried(spec)
    assert {at for _, at in found} == {at for name, at in found if name == PLAIN}
    assert spec.auto is not None
    assert len(set(spec.auto.candidates)) == len(found) <= MOST_CANDIDATES
