"""What any network answers to a person's own images, and which attacks it withstands."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from cartl_core.analysis.metrics import AttackRecord, Outputs
from cartl_core.attacks import misclassified, not_finite, run_attack
from cartl_core.spec.measures.attack import AttackSpec


def outputs_of(module: nn.Module, x: Tensor, y: Tensor, batch_size: int, device: torch.device) -> Outputs:
    """What the network answers without an attack."""
    with torch.no_grad():
        logits = torch.cat([module(part.to(device)).cpu() for part in x.split(batch_size)])
    return Outputs(
        right=tuple((~misclassified(logits, y.cpu())).tolist()),
        not_finite=_positions(not_finite(logits)),
        answers=tuple(logits.argmax(dim=1).tolist()),
    )


def _positions(chosen: Tensor) -> frozenset[int]:
    """Where (N,) bool is true."""
    return frozenset(chosen.nonzero().flatten().tolist())


def attacked(
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    attack: AttackSpec,
    seed: int,
    batch_size: int,
    device: torch.device,
) -> AttackRecord:
    """Which images stay correct under one attack."""
    robust: list[bool] = []
    infinite: list[bool] = []
    started = time.monotonic()
    for start in range(0, len(x), batch_size):
        part = slice(start, start + batch_size)
        outcome = run_attack(
            module,
            x[part].to(device),
            y[part].to(device),
            attack,
            seed=seed,
            label=attack.label,
            indices=torch.arange(start, min(start + batch_size, len(x))),
        )
        robust += (~outcome.broken).tolist()
        infinite += outcome.not_finite.tolist()
    seconds = time.monotonic() - started
    return AttackRecord(attack, tuple(robust), seconds, _positions(torch.tensor(infinite)))
