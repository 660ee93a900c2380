"""What becomes of each test image: one digit an image, so that any two networks can be compared pair by pair.

The attacks run one after the other on what still stands: PGD-20, PGD-100, PGD-100 on the margin. Each has
its own random start, every iterate counts, and an image that fell to an earlier attack has fallen. So
"robust to PGD-100" here means to PGD-20 as well: it is never more than under PGD-100 alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cartl_core.attacks import attack_with_surrogate, fold_batch_norm, misclassified
from cartl_core.data import Split
from cartl_core.data.stratified import stratified
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.spec.measures.attack import AttackSpec
from study.plan import Pair, Rules

BATCH = 256
WRONG, STANDS = 0, 9
"""Digits of an image that is wrong without an attack, and of one that stands after all; between them: the
number of the attack that it fell to."""
ATTACKS = ("pgd20", "pgd100", "margin100")
ATTACKS_OF_THE_GRID = 2
"""On every cell's last epoch; the margin loss is for what the comparison chooses of all cells."""


@dataclass(frozen=True)
class Evaluation:
    """Test images of a pair, and the attacks on the first part of them, in the order in which they run."""

    images: Split
    attacked: int
    attacks: tuple[AttackSpec, ...]
    seed: int


def evaluation_of(pair: Pair, rules: Rules, test: Split, seed: int) -> Evaluation:
    """``rules.test_images`` images of ``test``, stratified; those that are attacked, likewise, come first."""
    drawn = stratified(test.labels, rules.test_images, generator(seed, "study", "test"))
    first = stratified(test.labels[drawn], rules.attacked_images, generator(seed, "study", "attacked"))
    rest = torch.ones(len(drawn), dtype=torch.bool)
    rest[first] = False
    order = torch.cat([drawn[first], drawn[rest]])
    return Evaluation(test.at(order), len(first), attacks_of(pair), seed)


def attacks_of(pair: Pair) -> tuple[AttackSpec, ...]:
    """The three attacks at the pair's radius, in the order in which they run."""
    common: dict[str, Any] = {"eps": pair.eps, "step": pair.step}
    return (
        AttackSpec(label="pgd20", steps=20, **common),
        AttackSpec(label="pgd100", steps=100, **common),
        AttackSpec(label="margin100", steps=100, loss="margin", **common),
    )


def evaluate(network: Network, evaluation: Evaluation, ctx: StageContext) -> dict[str, Any]:
    """The outcome as it goes into a row.

    ``clean`` has a digit for each image, 1 where the network is right; ``fate`` one for each image attacked.
    """
    network.eval().requires_grad_(False)
    surrogate = fold_batch_norm(network)
    ctx.install(surrogate)
    clean, fate = [], []
    for first in range(0, len(evaluation.images), BATCH):
        ctx.stop.check()
        part = slice(first, first + BATCH)
        with torch.no_grad():
            wrong = misclassified(
                network(ctx.put(evaluation.images.images[part])), evaluation.images.labels[part]
            )
        clean += (~wrong).int().tolist()
    for first in range(0, evaluation.attacked, BATCH):
        part = slice(first, min(first + BATCH, evaluation.attacked))
        fate += _fates(network, surrogate, evaluation, part, ctx)
    ran = [attack.label for attack in evaluation.attacks]
    return {"clean": digits(clean), "fate": digits(fate), "attacks": ran}


def _fates(
    network: Network, surrogate: nn.Module, evaluation: Evaluation, part: slice, ctx: StageContext
) -> list[int]:
    images, labels = ctx.put(evaluation.images.images[part]), evaluation.images.labels[part]
    with torch.no_grad():
        broken = misclassified(network(images), labels)
    fate = torch.where(broken, WRONG, STANDS)
    for number, attack in enumerate(evaluation.attacks, start=1):
        ctx.stop.check()
        indices = evaluation.images.index[part]
        after = attack_with_surrogate(
            network,
            surrogate,
            images,
            labels,
            attack,
            seed=evaluation.seed,
            label=attack.label,
            indices=indices,
            skip=broken,
        ).broken
        fate[after & ~broken] = number
        broken = after
    found: list[int] = fate.tolist()
    return found


def digits(numbers: Sequence[int]) -> str:
    """One digit an image."""
    return "".join(str(int(number)) for number in numbers)


def robust_images(outcome: dict[str, Any], attack: str | None) -> list[bool]:
    """Image by image, whether it stood: without an attack, or after ``attack`` and all before it.

    Raises:
        ValueError: that attack was not run.
    """
    if attack is None:
        return [digit == "1" for digit in outcome["clean"]]
    number = outcome["attacks"].index(attack) + 1
    return [int(digit) > number for digit in outcome["fate"]]
