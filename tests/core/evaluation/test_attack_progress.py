"""How far an attack on one batch is: it grows to nearly all, whatever the attack, and images leave it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from cartl_core.attacks.run_attack import run_attack
from cartl_core.evaluation.attack_progress import LEAST_MOVE, MOST, most_passes, watched
from cartl_core.spec import AttackSpec

CLASSES = 4


@pytest.fixture(scope="module")
def network() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(16, CLASSES, bias=False)  # a bias would be drawn from the global generator
    with torch.no_grad():
        layer.weight.copy_(torch.randn(CLASSES, 16, generator=generator))
    return nn.Sequential(nn.Flatten(), layer).eval()


@pytest.mark.parametrize(
    ("name", "loss", "steps", "eps"),
    [
        ("pgd", "ce", 30, 1e-4),
        ("pgd", "ce", 30, 0.05),
        ("apgd", "targeted_dlr", 20, 1e-4),
        ("fab", "targeted_margin", 10, 1e-4),
        ("square", "margin", 60, 0.05),
    ],
)
def test_it_grows_evenly_to_nearly_all_of_the_batch(
    network: nn.Module, name: Any, loss: Any, steps: int, eps: float
) -> None:
    images = torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    labels = network(images).argmax(dim=1)
    step = eps / 40 if name == "pgd" else None
    attack = AttackSpec(label="a", name=name, loss=loss, steps=steps, eps=eps, step=step)
    told: list[float] = []
    with watched(network, attack, told.append):
        watching = run_attack(network, images, labels, attack, seed=0, label="a", indices=torch.arange(12))
    assert told == sorted(told) and told[-1] <= MOST
    assert all(after - before >= LEAST_MOVE for before, after in pairwise(told))
    if eps == 1e-4:
        # No image falls: it is at its end when the attack is.
        assert not watching.broken.any() and told[-1] > 0.6
        assert max(after - before for before, after in pairwise(told)) < 0.15
    count = len(told)
    plain = run_attack(network, images, labels, attack, seed=0, label="a", indices=torch.arange(12))
    assert len(told) == count, "nobody watches any more"
    assert torch.equal(plain.adversarial, watching.adversarial), "to be watched changes nothing"


def test_targets_are_as_many_as_there_are_other_classes() -> None:
    attack = AttackSpec(label="a", name="apgd", loss="targeted_dlr", steps=10, restarts=2, eps=0.1)
    assert [most_passes(attack, classes) for classes in (4, 10, 100)] == [61, 181, 181]
