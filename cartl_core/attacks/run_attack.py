"""Any attack by its spec, with all randomness from the seed, the attack's label and each image's index."""

from __future__ import annotations

from torch import Tensor, nn

from cartl_core.attacks.apgd import run_apgd
from cartl_core.attacks.attack_state import AttackOutcome
from cartl_core.attacks.fab import run_fab
from cartl_core.attacks.pgd import run_pgd
from cartl_core.attacks.random_starts import random_numbers, random_starts
from cartl_core.attacks.square import run_square
from cartl_core.spec import AttackSpec

STARTERS = {"pgd": run_pgd, "apgd": run_apgd, "fab": run_fab}
"""Attacks that begin at a random point of the ball, if at all, and need no other chance."""


def run_attack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    seed: int,
    label: str,
    indices: Tensor,
    skip: Tensor | None = None,
) -> AttackOutcome:
    """Attack N images of a data set; the outcome is the same however they are batched.

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) int64, the true classes.
        seed: the job's seed.
        label: what the random numbers are drawn for, as a rule the attack's label.
        indices: (N,) positions of the images in their data set.
        skip: (N,) bool, images that earlier attacks of an ensemble broke: they count as broken and are not
            attacked again; the others fare as they would without it.

    Raises:
        ValueError: the attack does not fit the model, e.g. its loss needs more classes.
    """

    def starts(restart: int) -> Tensor:
        return random_starts(
            images.shape[1:],
            attack.eps,
            seed=seed,
            label=label,
            restart=restart,
            indices=indices,
            norm=attack.norm,
        )

    def draws(restart: int, chapter: int, count: int) -> Tensor:
        return random_numbers(
            count, seed=seed, label=label, restart=restart, chapter=chapter, indices=indices
        )

    if attack.name == "square":
        return run_square(model, images, labels, attack, draws=draws, skip=skip)
    return STARTERS[attack.name](model, images, labels, attack, starts=starts, skip=skip)
