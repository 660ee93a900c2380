"""A small network trained against attacks, one trained without, and a way to have all checks made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from cartl_core.analysis.checks import CheckObservations, judge
from cartl_core.analysis.metrics import AttackRecord, Outputs
from cartl_core.attacks import perturb, run_attack
from cartl_core.catalog.check_attacks import STRAIGHT, own_attacks
from cartl_core.evaluation.checks import (
    CHECKS,
    ROBUST,
    CheckInputs,
    Rows,
    in_double,
    normalises_first,
    summary,
)
from cartl_core.nn.losses import cross_entropy
from cartl_core.nn.rng import generator
from cartl_core.report.checks import Check
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec

EPS = 0.1
TRAIN, IMAGES = 1400, 200
ASKED = ChecksSpec(attack=AttackSpec(label="checks", eps=EPS, step=EPS / 4, steps=20), queries=80)
JOB = tuple(AttackSpec(label=f"pgd{steps}", eps=EPS, step=EPS / 4, steps=steps) for steps in (10, 40))


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor]:
    """Images (1797, 1, 8, 8) in [0, 1] and labels, in the order of their file."""
    everything = load_digits()
    return torch.tensor(everything.images / 16).float().unsqueeze(1), torch.tensor(everything.target)


def trained(images: Tensor, labels: Tensor, *, robust: bool, seed: int) -> nn.Module:
    draw = generator(seed, "training")
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.1, 0.1, generator=draw)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3, weight_decay=1e-4)
    for _ in range(15):
        for part in torch.randperm(TRAIN, generator=draw).split(100):
            x, y = images[part], labels[part]
            if robust:
                start = EPS * (2 * torch.rand(x.shape, generator=draw) - 1)
                x = perturb(model, x, y, eps=EPS, step=EPS / 2, steps=4, start=start)
            optimiser.zero_grad()
            cross_entropy(model(x), y).mean().backward()
            optimiser.step()
    return model.eval()


@pytest.fixture(scope="session")
def robust(digits: tuple[Tensor, Tensor]) -> nn.Module:
    return trained(*digits, robust=True, seed=0)


@pytest.fixture(scope="session")
def plain(digits: tuple[Tensor, Tensor]) -> nn.Module:
    return trained(*digits, robust=False, seed=1)


@pytest.fixture(scope="session")
def checked(digits: tuple[Tensor, Tensor], robust: nn.Module) -> Callable[..., dict[str, Check]]:
    """``checked(model)``: every check of ``model``, by name; attacks are transferred from ``robust``."""

    def all_of(model: nn.Module, other: nn.Module = robust) -> dict[str, Check]:
        images, labels = (part[-IMAGES:] for part in digits)
        indices = torch.arange(IMAGES)
        inputs = CheckInputs(model, in_double(model), 10, images, labels, indices, 0, ASKED, ("other", other))
        rows: Rows = {}
        for take_down in CHECKS.values():
            rows |= take_down(inputs)
        own = own_attacks(ASKED, 10, "other", straight=ROBUST + STRAIGHT in rows)
        observations = CheckObservations(
            checked=summary(rows, own, seed=0, normalises_first=normalises_first(model)),
            attack=ASKED.attack,
            robust={attack.label: rows[ROBUST + attack.label].tolist() for attack in own},
            positions=range(IMAGES),
        )
        outcomes = [
            run_attack(model, images, labels, attack, seed=0, label=attack.label, indices=indices)
            for attack in JOB
        ]
        records = [
            AttackRecord(attack, tuple((~outcome.broken).tolist()), 1.0)
            for attack, outcome in zip(JOB, outcomes, strict=True)
        ]
        return {
            check.name: check
            for check in judge(observations, records, Outputs(tuple(rows["right"].tolist())))
        }

    return all_of
