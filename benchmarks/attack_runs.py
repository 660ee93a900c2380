"""What is timed: our attacks as an evaluation runs them, and a peer's, judged alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from cartl_core.attacks import (
    attack_with_surrogate,
    fold_batch_norm,
    misclassified,
    random_starts,
    run_attack,
)
from cartl_core.attacks.pgd import run_pgd
from cartl_core.attacks.random_starts import AttackRandomness
from cartl_core.catalog.ensembles import ENSEMBLES
from cartl_core.spec import AttackSpec

SHORTER = 10
"""A step is the radius over this."""
SLACK = 1e-4
"""Part of the radius that rounding may add to a peer's perturbation."""
RETRIES = 10

Run = Callable[[], Tensor]
"""Returns (N,) bool: which images are broken."""


@dataclass
class Taken:
    """What one contestant needed and broke."""

    processor_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    broken: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))

    def as_row(self) -> dict[str, Any]:
        """Medians, and what stands."""
        return {
            "robust": round(1 - float(self.broken.double().mean()), 4),
            "processor_s": round(statistics.median(self.processor_s), 3),
            "wall_s": round(statistics.median(self.wall_s), 3),
        }


def interleaved(runs: dict[str, Run], rounds: int, deadline: float) -> tuple[dict[str, Taken], int]:
    """Everybody once a round, and how many rounds: one, then as many as begin before ``deadline``."""
    taken = {name: Taken() for name in runs}
    done = 0
    while done < rounds and (done == 0 or time.monotonic() < deadline):
        for name, run in runs.items():
            torch.manual_seed(0)
            wall, processor = time.monotonic(), time.process_time()
            taken[name].broken = run()
            taken[name].processor_s.append(time.process_time() - processor)
            taken[name].wall_s.append(time.monotonic() - wall)
        done += 1
    return taken, done


def pgd_spec(norm: str, eps: float, steps: int, restarts: int = 1) -> AttackSpec:
    """Everyone's attack."""
    return AttackSpec.model_validate(
        {
            "label": "pgd",
            "norm": norm,
            "eps": eps,
            "step": eps / SHORTER,
            "steps": steps,
            "restarts": restarts,
        }
    )


def ours(network: nn.Module, x: Tensor, y: Tensor, attack: AttackSpec) -> Tensor:
    """As the evaluation stage does it, the making of the double included."""
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    surrogate = fold_batch_norm(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = x.to(memory_format=torch.channels_last)
    return attack_with_surrogate(
        network, surrogate, x, y, attack, seed=0, label="pgd", indices=torch.arange(len(x))
    ).broken


def plain(network: nn.Module, x: Tensor, y: Tensor, attack: AttackSpec) -> Tensor:
    """What leaving the batch alone brings: contiguous, nothing folded."""
    network = network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]

    def starts(restart: int) -> Tensor:
        return random_starts(
            x.shape[1:],
            attack.eps,
            seed=0,
            label="pgd",
            restart=restart,
            indices=range(len(x)),
            norm=attack.norm,
        )

    return run_pgd(network, x, y, attack, randomness=AttackRandomness(starts)).broken


def theirs(
    peer: Any,
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    attack: AttackSpec,
    memory: Any,
) -> Tensor:
    """A peer's PGD in a memory layout."""
    network = network.to(memory_format=memory)  # type: ignore[call-overload]
    given = x.to(memory_format=memory)
    moved = peer(network, given, y, attack.norm, attack.eps, attack.step_size, attack.steps)
    return judged(network, x, y, attack.norm, attack.eps, moved)


def autoattack(network: nn.Module, x: Tensor, y: Tensor, norm: Any, eps: float, *, seed: int = 0) -> Tensor:
    """Ours: each attack on what the earlier ones left."""
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    surrogate = fold_batch_norm(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x, fallen = x.to(memory_format=torch.channels_last), torch.zeros(len(x), dtype=torch.bool)
    everyone = torch.arange(len(x))
    for attack in ENSEMBLES["autoattack"].expand(norm, eps, int(network(x[:1]).shape[1])):
        fallen = attack_with_surrogate(
            network, surrogate, x, y, attack, seed=seed, label=attack.label, indices=everyone, skip=fallen
        ).broken
    return fallen


def fall_to_more_seeds(
    network: nn.Module, x: Tensor, y: Tensor, norm: Any, eps: float, missed: Tensor
) -> int:
    """Of the images ``missed`` (N,) bool, how many our AutoAttack breaks with ``RETRIES`` other seeds."""
    x, y = x[missed], y[missed]
    fallen = torch.zeros(len(x), dtype=torch.bool)
    for seed in range(1, 1 + RETRIES):
        if fallen.all():
            break
        fallen[~fallen] = autoattack(network, x[~fallen], y[~fallen], norm, eps, seed=seed)
    return int(fallen.sum())


def fall_to_more_starts(network: nn.Module, x: Tensor, y: Tensor, attack: AttackSpec, missed: Tensor) -> int:
    """Of the images ``missed`` (N,) bool, how many our PGD breaks from ``RETRIES`` other random points."""
    again = pgd_spec(attack.norm, attack.eps, attack.steps, RETRIES)
    indices = torch.arange(len(x))
    found = run_attack(network, x, y, again, seed=1, label="again", indices=indices, skip=~missed).broken
    return int((found & missed).sum())


def judged(network: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float, moved: Tensor) -> Tensor:
    """(N,) bool: wrong as it was, or wrong as it became, inside the ball."""
    order = {"linf": torch.inf, "l2": 2}[norm]
    inside = torch.linalg.vector_norm((moved - x).flatten(1), ord=order, dim=1) <= eps * (1 + SLACK)
    inside &= ((moved >= 0) & (moved <= 1)).flatten(1).all(1)
    with torch.no_grad():
        result: Tensor = misclassified(network(x), y) | (misclassified(network(moved), y) & inside)
        return result
