"""Any attack by its spec, with all randomness from the seed, the attack's label and each image's index."""

from __future__ import annotations

from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Protocol

from torch import Tensor, nn

from cartl_core.attacks.attack_state import AttackOutcome
from cartl_core.attacks.random_starts import AttackRandomness, random_numbers, random_starts
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.attack import ATTACKS


class Attack(Protocol):
    """The one signature of all attacks."""

    def __call__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        attack: AttackSpec,
        *,
        randomness: AttackRandomness | None = None,
        skip: Tensor | None = None,
    ) -> AttackOutcome:
        """Attack (N, C, H, W) in [0, 1]; see ``run_attack`` for the rest."""
        ...


IMPLEMENTATIONS: dict[str, Attack] = {
    name: resolve_name(facts.implementation) for name, facts in ATTACKS.items()
}
"""By the names in the rows. Their modules are loaded here, before ``cartl_core.attacks`` binds the public
functions: a module that is loaded later would hide the function of its name."""


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

    randomness = randomness_of(attack, images.shape[1:], seed=seed, label=label, indices=indices)
    return IMPLEMENTATIONS[attack.name](model, images, labels, attack, randomness=randomness, skip=skip)


def randomness_of(
    attack: AttackSpec, shape: Sequence[int], *, seed: int, label: str, indices: Tensor
) -> AttackRandomness:
    """All chance of an attack on images of ``shape`` (C, H, W) at ``indices`` (N,) of their data set."""

    def starts(restart: int) -> Tensor:
        return random_starts(
            shape, attack.eps, seed=seed, label=label, restart=restart, indices=indices, norm=attack.norm
        )

    def numbers(restart: int, chapter: int, count: int) -> Tensor:
        return random_numbers(
            count, seed=seed, label=label, restart=restart, chapter=chapter, indices=indices
        )

    return AttackRandomness(starts=starts, numbers=numbers)
