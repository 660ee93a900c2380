"""The ready spec files: each is a request that resolves, with the figures its authors published."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from cartl.request import build
from cartl_core.catalog import model_facts
from cartl_core.compat.torchvision_import import import_torchvision
from cartl_core.data.download import DOWNLOADS
from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest, JobSpec
from tests.fixtures.requests import pretrain_of, source_of, transfer_of

FOLDER = Path(__file__).parents[3] / "recipes"
COLOUR = 8 / 255
# Network, k, evaluated eps and its step, steps of the attacks, augmentation of the source.
PUBLISHED: dict[str, tuple[str, int, float, float, list[int], str]] = {
    "cifar100-to-cifar10": ("wrn-34-10", 6, COLOUR, 2 / 255, [20, 100], "crop_flip_rotate"),
    "cifar100-to-svhn": ("wrn-34-10", 6, COLOUR, 2 / 255, [20, 100], "crop_flip_rotate"),
    "cifar100-to-gtsrb": ("wrn-34-10", 6, COLOUR, 2 / 255, [20, 100], "crop_flip_rotate"),
    "cifar10-to-svhn": ("wrn-28-4", 6, COLOUR, 2 / 255, [20, 100], "crop_flip_rotate"),
    "cifar10-to-gtsrb": ("wrn-28-4", 6, COLOUR, 2 / 255, [20, 100], "crop_flip_rotate"),
    "svhn-to-mnist": ("resnet18", 5, 0.15, 0.01, [40, 100], "none"),
}
CLASSES = {"CIFAR10": "cifar10", "CIFAR100": "cifar100", "SVHN": "svhn", "GTSRB": "gtsrb", "MNIST": "mnist"}


def recipe(name: str) -> JobSpec:
    """As the command reads it, and as it is posted."""
    return resolve(JobRequest.model_validate_json(json.dumps(build(FOLDER / f"{name}.json", {}))))


def test_there_is_a_file_for_each_pair_of_the_authors_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_is_the_published_one(name: str) -> None:
    model, k, eps, step, steps, augmentation = PUBLISHED[name]
    spec = recipe(name)
    assert f"{source_of(spec).name}-to-{spec.dataset.name}" == name
    assert (source_of(spec).train_limit, spec.dataset.train_limit, spec.evaluate.test_limit) == (None,) * 3
    assert (spec.model.name, spec.model.stem_stride, spec.model.image_size, spec.model.channels) == (
        model,
        1,
        32,
        3,
    )
    assert spec.method == "cartl"
    assert isinstance(spec.freeze_depth, int)
    assert model_facts(model).blocks - spec.freeze_depth == k
    attacks = [(attack.eps, attack.step, attack.steps) for attack in spec.evaluate.attacks]
    assert attacks == [(eps, step, count) for count in steps]
    for training in (pretrain_of(spec), transfer_of(spec)):
        assert (training.epochs, training.batch_size, training.lr) == (100, 128, 0.1)
        assert (training.momentum, training.weight_decay, training.warmup_epochs) == (0.9, 5e-4, 1.0)
        assert (training.lr_schedule, training.lr_decay) == ("step", 0.2)
        assert [round(share * 100) for share in training.milestones] == [40, 70, 90]
    inner = pretrain_of(spec).attack
    assert (inner.eps, inner.step, inner.steps) == (COLOUR, 2 / 255, 7)
    assert (pretrain_of(spec).fdm_weight, pretrain_of(spec).augmentation) == (0.005, augmentation)
    assert (transfer_of(spec).beta, transfer_of(spec).tail_affine) == (0.4, "frozen")
    assert (transfer_of(spec).trunk_statistics, transfer_of(spec).tail_statistics) == ("running", "batch")
    assert (pretrain_of(spec).select, transfer_of(spec).select) == ("best_robust", "last")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_baselines_of_a_recipe_are_plain_transfer_and_the_strongest_other_method(name: str) -> None:
    plain, rival = recipe(name).baselines
    assert (plain.method, pretrain_of(plain).objective, plain.transfer.epochs) == ("vanilla", "at", 100)
    assert (rival.method, rival.freeze_depth, rival.pretrain) == ("lwf", 0, plain.pretrain)
    tuned = rival.transfer
    assert (tuned.epochs, tuned.lwf_head_epochs, tuned.lr_schedule) == (52, 25, "constant")
    assert (tuned.lr, tuned.weight_decay, tuned.lwf_weight) == (1e-3, 2e-4, 0.01)
    assert (plain.transfer.select, tuned.select) == ("last", "best_clean")
    assert (plain.transfer.tail_affine, plain.transfer.trunk_statistics) == ("frozen", "teacher")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_says_what_preset_paper_says(name: str) -> None:
    """Written out so that it can be read and kept; the preset must stay the published schedule as well."""
    spec = recipe(name)
    asked: dict[str, Any] = {
        "source": source_of(spec).name,
        "dataset": spec.dataset.name,
        "freeze_depth": spec.freeze_depth,
        "preset": "paper",
        "baselines": ["vanilla", "lwf"],
    }
    plain = resolve(JobRequest.model_validate(asked))
    assert (spec.model, spec.arms) == (plain.model, plain.arms)


@pytest.mark.parametrize(("kind", "name"), CLASSES.items())
def test_each_data_set_can_be_downloaded(kind: str, name: str) -> None:
    """By torchvision, with the switch that ``fetch`` sets; nothing is downloaded here."""
    assert name in DOWNLOADS
    assert "download" in inspect.signature(getattr(import_torchvision().datasets, kind)).parameters
    used = {part for file in PUBLISHED for part in file.split("-to-")}
    assert used == set(CLASSES.values())
