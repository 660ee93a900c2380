"""How often do the checks accuse honest networks? Twenty small ones on the digits of scikit-learn.

    .venv/bin/python -m benchmarks.check_alarms --out docs/figures/check-alarms.json

Five kinds of network, each trained with and without attacks from two seeds. Of each, 200 images that it was
not trained on are attacked by PGD-20 and PGD-100 at eps 0.1 in linf, and every check is made. A failed check
of a network trained here is an alarm, not of each kind a false one: that more steps break more
(`convergence`), or that another loss does (`masking`), may be true of honest networks. One thread, minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from itertools import product
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from cartl_core.attacks import perturb
from cartl_core.nn.losses import cross_entropy
from cartl_core.nn.rng import generator
from cartl_core.report.checks import FINDINGS
from cartl_core.run.library.evaluate_robustness import evaluate_robustness

EPS, TRAIN, TEST, EPOCHS, SEEDS = 0.1, 1400, 200, 15, (0, 1)


def _layers(activation: type[nn.Module], *, norm: bool = False) -> nn.Sequential:
    def block(channels: int, more: int) -> list[nn.Module]:
        normalised = [nn.BatchNorm2d(more)] if norm else []
        return [nn.Conv2d(channels, more, 3, padding=1), *normalised, activation()]

    return nn.Sequential(*block(1, 8), *block(8, 16), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(256, 10))


KINDS = {
    "dense, ReLU": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10)),
    "convolutions, ReLU": lambda: _layers(nn.ReLU),
    "convolutions, batch norm, ReLU": lambda: _layers(nn.ReLU, norm=True),
    "convolutions, SiLU": lambda: _layers(nn.SiLU),
    "convolutions, batch norm, GELU": lambda: _layers(nn.GELU, norm=True),
}


def main() -> int:
    """Train, check, write the rows and print what was alarmed; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    everything = load_digits()
    images = torch.tensor(everything.images / 16).float().unsqueeze(1)
    labels = torch.tensor(everything.target)
    rows: list[dict[str, object]] = []
    for seed, kind, attacked in product(SEEDS, KINDS, (True, False)):
        rows.append(row(kind, images, labels, attacked=attacked, seed=seed))
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        sys.stderr.write(f"{len(rows)}: {kind}\n")
    alarms = Counter(name for one in rows for name in one["failed"])  # type: ignore[attr-defined]
    for name in FINDINGS:
        sys.stdout.write(f"{name}: {alarms[name]} of {len(rows)}\n")
    return 0


def row(kind: str, images: Tensor, labels: Tensor, *, attacked: bool, seed: int) -> dict[str, object]:
    """One network: how it was made, its figures, and which checks failed."""
    model = trained(kind, images[:TRAIN], labels[:TRAIN], attacked=attacked, seed=seed)
    found = evaluate_robustness(model, images[-TEST:], labels[-TEST:], eps=EPS, attack="pgd100")
    told = {check.name: check for check in found.checks}
    return {
        "network": kind,
        "trained_against_attacks": attacked,
        "seed": seed,
        "clean": found.clean.value,
        "robust": found.robust.value,
        "failed": [name for name, check in told.items() if check.status == "failed"],
        "not_run": [name for name, check in told.items() if check.status == "not_run"],
        "unexplained": told["jumps"].evidence.get("unexplained"),
        "jumping": told["jumps"].evidence.get("jumping"),
    }


def trained(kind: str, images: Tensor, labels: Tensor, *, attacked: bool, seed: int) -> nn.Module:
    """A network of this kind, in eval mode."""
    draw = generator(seed, "training")
    torch.manual_seed(seed)  # the first weights are drawn by torch's own layers
    model = KINDS[kind]()
    optimiser = torch.optim.Adam(model.parameters(), 3e-3, weight_decay=1e-4)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(images), generator=draw).split(100):
            x, y = images[part], labels[part]
            if attacked:
                start = EPS * (2 * torch.rand(x.shape, generator=draw) - 1)
                x = perturb(model, x, y, eps=EPS, step=EPS / 2, steps=4, start=start)
            model.train()
            optimiser.zero_grad()
            cross_entropy(model(x), y).mean().backward()
            optimiser.step()
    return model.eval()


if __name__ == "__main__":
    sys.exit(main())
