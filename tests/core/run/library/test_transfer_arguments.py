"""``transfer`` checks every argument before anything is computed, and each error names the argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cartl_core import SpecError, load_network, transfer
from tests.core.run.library.test_transfer_network import blocks, some

GOOD: dict[str, Any] = {"method": "vanilla", "freeze_depth": 1, "epochs": 1, "device": "cpu"}
SHARED = nn.Linear(8, 8)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"network": nn.Linear(2, 2)}, "network: is a Linear; allowed: a network of load_network"),
    ({"network": [nn.Linear(2, 2)]}, "network: is a list of 1"),
    ({"network": [nn.Flatten(), "head"]}, "network: is a list of 2"),
    ({"network": [nn.Linear(2, 2), nn.Flatten()]}, "network: its last block is a Flatten"),
    ({"network": [nn.Flatten(), nn.Linear(7, 2)]}, "network: its blocks do not take these images"),
    ({"network": [nn.Identity(), nn.Linear(8, 2)]}, "network: it does not give logits"),
    ({"network": [nn.Flatten(), nn.Linear(64, 8), SHARED, SHARED, nn.Linear(8, 2)]}, "blocks 3 and 4 share"),
    ({"network": [nn.Flatten(), nn.Linear(64, 2).double()]}, "network: .*float64; allowed: torch.float32"),
    (
        {"network": [nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(64, 2))]},
        "is parametrised",
    ),
    ({"images": torch.rand(48, 8, 8)}, r"images: has shape \(48, 8, 8\)"),
    ({"images": torch.rand(48, 2, 8, 8)}, "images: have 2 channels; allowed: 1 or 3"),
    ({"images": 255 * torch.ones(48, 1, 8, 8)}, "images: has values from 255 to 255"),
    ({"images": torch.full((48, 1, 8, 8), torch.nan)}, "images: .*finite values"),
    ({"images": torch.ones(48, 1, 8, 8, dtype=torch.uint8)}, "images: has dtype torch.uint8"),
    ({"labels": torch.zeros(4, dtype=torch.int64)}, r"labels: has shape \(4,\)"),
    ({"labels": torch.zeros(48)}, "labels: has dtype torch.float32"),
    ({"labels": torch.full((48,), -1)}, "labels: has labels from -1 to -1; allowed: 0 to 1"),
    ({"labels": torch.full((48,), 99)}, "labels: .*99; allowed: 0 to 47: no more classes than images"),
    ({"labels": torch.full((48,), 4), "classes": 4}, "labels: has labels from 4 to 4"),
    ({"labels": torch.full((48,), 2**40)}, "labels: "),
    ({"classes": 1}, "classes: 1; allowed: a whole number from 2"),
    ({"classes": True}, "classes: True"),
    ({"method": "magic"}, "method: 'magic' is no known method; allowed: vanilla"),
    ({"freeze_depth": 4}, "freeze_depth: 4 does not fit the network .4 blocks.* allowed: 0 to 3"),
    ({"freeze_depth": -1}, "freeze_depth: "),
    ({"freeze_depth": 1.0}, "freeze_depth: "),
    ({"freeze_depth": 0, "method": "consistent"}, "freeze_depth: .*allowed: 1 to 3"),
    ({"freeze_depth": 0, "method": "cartl"}, "freeze_depth: .*allowed: 1 to 3"),
    (
        {"freeze_depth": 1, "method": "lwf"},
        "freeze_depth: 1 freezes blocks, and lwf tunes all of them; allowed: 0",
    ),
    ({"validation": 0.9}, "validation: 0.9 is no share; allowed: 0.01 to 0.5"),
    ({"validation": float("nan")}, "validation: nan is no share"),
    ({"validation": "some"}, "validation: is a str"),
    ({"validation": (torch.rand(4, 1, 9, 9), torch.zeros(4, dtype=torch.int64))}, r"\(1, 9, 9\)"),
    ({"validation": (torch.rand(4, 1, 8, 8), torch.full((4,), 9))}, "validation: has labels from 9 to 9"),
    ({"validation": (torch.rand(4, 1, 8, 8), None)}, "validation: is a NoneType"),
    ({"eps": 0.0}, "eps: with radius 0"),
    ({"eps": 8.0}, "eps: 8.0 is no radius"),
    ({"eps": float("nan")}, "eps: nan is no radius"),
    ({"epochs": 0}, "epochs: it must be at least 1; allowed: integer, 1 to 1000"),
    ({"lr": -0.1}, "lr: it must be more than 0"),
    ({"lr": float("inf")}, "lr: a finite number is expected"),
    ({"batch_size": 1}, "batch_size: "),
    ({"settings": {"epochs": 3}}, "settings.epochs: it is given as an argument, too"),
    ({"settings": {"beta": 0.4}}, "settings.beta: not used by method vanilla; allowed: methods neft, cartl"),
    ({"settings": {"beta": -1.0}, "method": "neft"}, "settings.beta: it must be more than 0"),
    ({"settings": {"momentum": 2.0}}, "settings.momentum: "),
    ({"settings": {"fdm_weight": 0.1}, "method": "cartl"}, "settings.fdm_weight: it is of the training of"),
    ({"settings": {"nonsense": 1}}, "settings.nonsense: there is no such setting; allowed: epochs"),
    ({"preset": "huge"}, "preset: 'huge' is no known preset; allowed: smoke, quick, paper"),
    ({"method": ["cartl"]}, "method: .* is no known method"),
    ({"preset": None}, "preset: None is no known preset"),
    ({"settings": [("beta", 1)]}, "settings: is a list; allowed: a mapping"),
    ({"mean": 0.5, "std": 0.5}, "mean: 0.5 with std 0.5"),
    ({"mean": ("a",), "std": ("b",)}, "mean: .* allowed: both, one number for each channel"),
    ({"mean": (0.5,) * 3, "std": (0.5,) * 3}, "mean: has 3 numbers; allowed: 1, one for each channel"),
    ({"mean": (0.5,)}, "mean: .* allowed: both, one number for each channel"),
    ({"mean": (0.5,), "std": (0.0,)}, "std: .* allowed: finite, std above 0"),
    ({"index": torch.zeros(3, dtype=torch.int64)}, "index: is no list of names"),
    ({"index": torch.full((48,), -1)}, "index: goes down to -1"),
    ({"seed": -1}, "seed: -1 is no seed"),
    ({"device": "tpu"}, "device: 'tpu'; allowed: auto, cpu, cuda"),
    ({"precision": "fp64"}, "precision: 'fp64'"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG)
def test_every_argument_is_checked_before_anything_is_computed(
    task: Any, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    images, labels = some(task)
    told: list[object] = []
    asked = {
        "network": blocks(),
        "images": images,
        "labels": labels,
        **GOOD,
        "report": told.append,
        **changes,
    }
    network, images, labels = (asked.pop(name) for name in ("network", "images", "labels"))
    with pytest.raises(SpecError, match=says) as found:
        transfer(network, images, labels, out=tmp_path / "out", **asked)
    assert isinstance(found.value, ValueError)
    assert not told
    assert not (tmp_path / "out").exists()


def test_a_network_of_ours_normalises_and_has_its_own_size(teacher: Path, task: Any) -> None:
    images, labels = some(task)
    with pytest.raises(SpecError, match="mean: this network normalises by itself"):
        transfer(load_network(teacher), images, labels, **GOOD, mean=(0.1,), std=(1.0,))
    with pytest.raises(SpecError, match=r"images: are of shape \(1, 16, 16\); allowed: \(1, 8, 8\)"):
        transfer(load_network(teacher), torch.rand(48, 1, 16, 16), labels, **GOOD)
    with pytest.raises(SpecError, match="finite weights"):
        network = load_network(teacher)
        with torch.no_grad():
            network.head.weight[0, 0] = torch.nan
        transfer(network, images, labels, **GOOD)
