"""Freeze depths, source and target, the network's input, and attacks that do not fit them."""

from __future__ import annotations

from typing import Any

import pytest

from cartl_core.catalog import METHODS, model_facts
from tests.fixtures.requests import refusal, resolved, source_of


@pytest.mark.parametrize("model", ["tiny", "wrn-28-10", "wrn-34-10", "resnet18"])
@pytest.mark.parametrize("method", METHODS)
def test_depths_at_both_ends(method: str, model: str) -> None:
    facts, blocks = METHODS[method], model_facts(model).blocks
    lowest = 1 if facts.objective == "fdm" or facts.displaced else 0
    lowest = blocks - 1 if method == "linear_probe" else lowest
    highest = 0 if facts.distilled else blocks - 1
    for depth in (lowest, highest):
        spec = resolved(model=model, method=method, freeze_depth=depth, baselines=[])
        assert spec.freeze_depth == depth
    for depth in {highest + 1, lowest - 1} - {-1}:
        error = refusal(model=model, method=method, freeze_depth=depth, baselines=[])
        assert error.field == "freeze_depth"
        assert error.allowed == (str(lowest) if lowest == highest else f"{lowest} to {highest}")


def test_a_baselines_depth_follows_the_job_or_its_own_method() -> None:
    baselines = ["vanilla", "lwf", {"method": "neft", "freeze_depth": 2}, "linear_probe", "bitfit"]
    spec = resolved(freeze_depth=4, baselines=baselines)
    assert [arm.freeze_depth for arm in spec.baselines] == [4, 0, 2, 7, 4]
    error = refusal(method="lwf", freeze_depth=0, baselines=["cartl"])
    assert (error.field, error.allowed) == ("baselines.0.freeze_depth", "1 to 7")


def test_a_subset_takes_the_other_classes_as_its_source() -> None:
    spec = resolved(dataset={"name": "fashion_mnist", "classes": [6, 9, 7, 8]})
    assert source_of(spec).name == "fashion_mnist"
    assert source_of(spec).classes == (0, 1, 2, 3, 4, 5)
    assert spec.dataset.classes == (6, 9, 7, 8), "the order is the user's"
    assert (spec.dataset.train_limit, source_of(spec).train_limit) == (6_000, 10_000)


def test_a_subset_that_leaves_one_class_takes_the_catalogs_source() -> None:
    spec = resolved(dataset={"name": "fashion_mnist", "classes": list(range(9))})
    assert (source_of(spec).name, source_of(spec).classes) == ("mnist", None)


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
    assert (spec.dataset.classes, source_of(spec).classes) == ((1, 2), (3, 4))


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
