from __future__ import annotations

from typing import get_args

import pytest

from cartl_core.catalog import (
    COLOUR_EPS,
    DATASETS,
    KNOWN_MODELS,
    METHODS,
    PAPER_MODELS,
    PRESETS,
    model_facts,
)
from cartl_core.errors import SpecError
from cartl_core.nn.build import build_network
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.planning.data_and_model import stem_stride
from cartl_core.spec import DatasetName, Method, ModelSpec, Preset


def test_the_tables_and_the_types_name_the_same_things() -> None:
    assert tuple(DATASETS) == get_args(DatasetName)
    assert tuple(METHODS) == get_args(Method)
    assert tuple(PRESETS) == get_args(Preset)


@pytest.mark.parametrize("name", DATASETS)
def test_data_set_facts_are_coherent(name: str) -> None:
    facts = DATASETS[name]
    assert facts.name == name
    assert len(set(facts.classes)) == len(facts.classes) >= 10
    assert len(facts.mean) == len(facts.std) == facts.channels
    assert all(0 < mean < 1 for mean in facts.mean)
    assert all(0 < std < 0.5 for std in facts.std)
    assert facts.eval_eps <= facts.train_eps, "never attacked beyond the teacher's radius by default"
    assert 0 < facts.eval_step < facts.eval_eps
    assert facts.default_source != name
    assert facts.default_source in DATASETS


@pytest.mark.parametrize(
    ("name", "classes", "shape", "images"),
    [
        ("digits", 10, (1, 8), (1437, 360)),
        ("fashion_mnist", 10, (1, 28), (60_000, 10_000)),
        ("mnist", 10, (1, 28), (60_000, 10_000)),
        ("cifar10", 10, (3, 32), (50_000, 10_000)),
        ("cifar100", 100, (3, 32), (50_000, 10_000)),
        ("svhn", 10, (3, 32), (73_257, 26_032)),
        ("gtsrb", 43, (3, 32), (26_640, 12_630)),
    ],
)
def test_data_set_facts_by_hand(
    name: str, classes: int, shape: tuple[int, int], images: tuple[int, int]
) -> None:
    facts = DATASETS[name]
    assert len(facts.classes) == classes
    assert (facts.channels, facts.image_size) == shape
    assert (facts.train_images, facts.test_images) == images


def test_normalisation_and_radii_of_the_paper() -> None:
    assert DATASETS["cifar100"].mean == (0.5071, 0.4865, 0.4409)
    assert DATASETS["cifar100"].std == (0.2673, 0.2564, 0.2762)
    assert DATASETS["svhn"].mean == (0.4377, 0.4438, 0.4728)
    assert DATASETS["svhn"].std == (0.1980, 0.2010, 0.1970)
    assert COLOUR_EPS == 8 / 255
    assert {DATASETS[name].eval_eps for name in ("cifar10", "cifar100", "svhn", "gtsrb")} == {8 / 255}
    assert (DATASETS["mnist"].eval_eps, DATASETS["mnist"].eval_step) == (0.15, 0.01)
    assert DATASETS["fashion_mnist"].eval_eps == 0.1
    assert DATASETS["digits"].eval_eps == 0.15


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("wrn-34-10", 17),
        ("wrn-28-4", 14),
        ("wrn-16-2", 8),
        ("resnet18", 9),
        ("resnet34", 17),
        ("resnet50", 17),
        ("tiny", 5),
    ],
)
def test_block_counts_by_hand(name: str, blocks: int) -> None:
    assert model_facts(name).blocks == blocks


@pytest.mark.parametrize("name", [name for name in KNOWN_MODELS if not name.endswith("-10")])
def test_the_catalog_and_the_network_count_the_same_blocks(name: str) -> None:
    model = ModelSpec(name=name, stem_stride=4, image_size=16, channels=1)
    network = build_network(model, 3, (0.5,), (0.5,), generator(0, name))
    assert isinstance(network, Network)
    assert network.block_count == model_facts(name).blocks


@pytest.mark.parametrize(
    "name",
    [
        "wrn-17-2",
        "wrn-4-1",
        "wrn-106-1",
        "wrn-16-0",
        "wrn-16-21",
        "wrn-016-2",
        "wrn-16-02",
        "WRN-16-2",
        "wrn-16",
        "resnet101",
        "",
        " tiny",
        "tiny\n",
        "wrn-१६-२",
    ],
)
def test_unknown_networks_are_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        model_facts(name)
    assert caught.value.field == "model.name"
    assert caught.value.allowed is not None
    assert all(known in caught.value.allowed for known in KNOWN_MODELS)


def test_every_depth_of_the_family_is_known() -> None:
    known = [depth for depth in range(1, 130) if _is_known(f"wrn-{depth}-1")]
    assert known == [6 * n + 4 for n in range(1, 17)]
    assert [width for width in range(30) if _is_known(f"wrn-16-{width}")] == list(range(1, 21))


def _is_known(name: str) -> bool:
    try:
        model_facts(name)
    except SpecError:
        return False
    return True


def test_methods_are_what_the_paper_says() -> None:
    assert [name for name, facts in METHODS.items() if facts.objective == "fdm"] == ["cartl"]
    assert [name for name, facts in METHODS.items() if facts.nonexpansive] == ["neft", "cartl"]
    assert [name for name, facts in METHODS.items() if facts.frozen_affine] == ["cartl"]
    assert [name for name, facts in METHODS.items() if facts.distilled] == ["lwf"]
    assert [name for name, facts in METHODS.items() if facts.adversarial] == ["adversarial"]


def test_the_paper_preset_is_the_published_schedule() -> None:
    paper = PRESETS["paper"]
    expected = {"epochs": 100, "batch_size": 128, "lr": 0.1, "lr_schedule": "step", "lr_decay": 0.2}
    assert expected.items() <= paper.pretrain.items()
    assert paper.pretrain["milestones"] == (0.4, 0.7, 0.9)
    assert paper.pretrain["warmup_epochs"] == 1.0
    assert paper.pretrain_attack == {"steps": 7, "step_of_eps": 0.25}
    assert (paper.fdm_weight, paper.beta, paper.trunk_statistics) == (0.005, 0.4, "running")
    assert {stem_stride(facts.image_size, paper.stem_side) for facts in DATASETS.values()} == {1}
    assert [(row["label"], row["steps"]) for row in paper.attacks] == [("pgd20", 20), ("pgd100", 100)]
    assert (paper.lwf["epochs"], paper.lwf["lwf_head_epochs"], paper.lwf["lr"]) == (52, 25, 0.001)
    assert PAPER_MODELS == {"cifar100": "wrn-34-10", "cifar10": "wrn-28-4", "svhn": "resnet18"}


@pytest.mark.parametrize(
    ("image_size", "side", "stride"), [(8, 7, 1), (28, 7, 4), (32, 7, 4), (8, 4, 2), (27, 7, 2), (32, 256, 1)]
)
def test_the_stem_leaves_feature_maps_of_the_presets_size(image_size: int, side: int, stride: int) -> None:
    assert stem_stride(image_size, side) == stride
