"""Attacks that begin in bf16, on a folded copy whose weights are cast once, and are judged in fp32.

bf16 keeps 8 bits of a number, so the copy draws the boundary between two classes a little elsewhere. What
fell on it is tried on the network. What the network still gets right, and what stood, goes on in fp32 from
where it is: for the last ``FINISHING_STEPS`` of the attack's steps. Whatever fell on a copy and never on the
network is attacked anew in fp32 from the start. So an image counts as broken only by a point at which the
network is wrong.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from cartl_core.attacks.attack_state import AttackOutcome, misclassified, not_finite
from cartl_core.attacks.fold_batch_norm import attack_with_surrogate
from cartl_core.attacks.pgd import run_pgd
from cartl_core.attacks.random_starts import AttackRandomness, starts_for
from cartl_core.attacks.run_attack import randomness_of
from cartl_core.catalog.low_precision import FINISHING_STEPS
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.nn.network import Network
from cartl_core.spec import AttackSpec


class LowPrecision(nn.Module):
    """A copy of ``network`` that computes in bf16: images, logits and gradients of images are fp32.

    The normalisation and the head stay in fp32. They cost nothing, and so pixels and logits are not rounded.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        made = copy.deepcopy(network).eval().requires_grad_(False)
        self.normalize, self.head = made.normalize, made.head
        self.body = nn.Sequential(made.stem, *made.blocks[:-1]).to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) float32 in [0, 1]; returns logits (N, K) float32."""
        features = self.body(self.normalize(x).to(torch.bfloat16))
        logits: Tensor = self.head(features.float())
        return logits


@dataclass
class _Verdicts:
    """What is known of N images; ``rows`` in its methods are positions among them."""

    network: nn.Module
    images: Tensor
    labels: Tensor
    broken: Tensor
    adversarial: Tensor
    not_finite: Tensor
    doubtful: Tensor
    """(N,) bool: fell on a copy, at a point that the network got right."""
    passes: int

    @classmethod
    def begin(cls, network: nn.Module, images: Tensor, labels: Tensor, skip: Tensor | None) -> Self:
        """Wrong without an attack, or of ``skip`` (N,) bool: broken."""
        with torch.no_grad():
            logits = network(images)
        broken = misclassified(logits, labels)
        if skip is not None:
            broken |= skip.to(broken.device)
        doubtful = torch.zeros_like(broken)
        return cls(network, images, labels, broken, images.clone(), not_finite(logits), doubtful, len(images))

    def standing(self, among: Tensor | None = None) -> Tensor:
        """(rows,) int64: not broken; of ``among`` (N,) bool alone."""
        robust = ~self.broken if among is None else ~self.broken & among
        return robust.nonzero().squeeze(1)

    def confirm(self, rows: Tensor, found: AttackOutcome) -> None:
        """Try what an attack on a copy found for images that stand on the network."""
        with torch.no_grad():
            logits = self.network(found.adversarial)
        broken = misclassified(logits, self.labels[rows])
        self.broken[rows], self.adversarial[rows] = broken, found.adversarial
        self.not_finite[rows] = not_finite(logits)
        self.doubtful[rows] |= found.broken & ~broken
        self.passes += found.passes + len(rows)


def attack_begun_low(
    low: LowPrecision,
    network: nn.Module,
    surrogate: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    seed: int,
    label: str,
    indices: Tensor,
    skip: Tensor | None = None,
) -> AttackOutcome:
    """The outcome of PGD that begins on ``low``, is finished on ``surrogate`` and confirmed on ``network``.

    Each restart is finished by itself. The other arguments are those of ``run_attack``; ``attack`` is one of
    which ``may_begin_low`` is true.
    """
    randomness = randomness_of(attack, images.shape[1:], seed=seed, label=label, indices=indices)
    start_of = starts_for(attack, randomness)
    with preserve_model_state(network):
        known = _Verdicts.begin(network, images, labels, skip)
        for restart in range(attack.restarts):
            _restart(known, low, surrogate, attack, start_of(restart))
        rows = known.standing(known.doubtful)
        if len(rows):
            again = attack_with_surrogate(
                network,
                surrogate,
                images[rows],
                labels[rows],
                attack,
                seed=seed,
                label=label,
                indices=indices[rows.cpu()],
            )
            known.broken[rows], known.adversarial[rows] = again.broken, again.adversarial
            known.not_finite[rows] = again.not_finite
            known.passes += again.passes
    return AttackOutcome(known.broken, known.adversarial, known.passes, known.not_finite)


def _restart(
    known: _Verdicts, low: nn.Module, surrogate: nn.Module, attack: AttackSpec, start: Tensor | None
) -> None:
    """One restart on all images that stand: in bf16, then its last steps in fp32 from where each image is."""
    once = attack.model_copy(update={"restarts": 1, "steps": attack.steps - FINISHING_STEPS})
    last = once.model_copy(update={"steps": FINISHING_STEPS, "random_start": True})
    if len(rows := known.standing()):
        known.confirm(rows, _from(start, low, known, rows, once))
    if len(rows := known.standing()):
        moved = known.adversarial - known.images
        known.confirm(rows, _from(moved, surrogate, known, rows, last))


def _from(
    start: Tensor | None, model: nn.Module, known: _Verdicts, rows: Tensor, attack: AttackSpec
) -> AttackOutcome:
    """PGD on ``model`` from perturbations (N, C, H, W), or from the images themselves."""
    begin = None if start is None else start.to(known.images.device)[rows]
    randomness = None if begin is None else AttackRandomness(lambda _: begin)
    return run_pgd(model, known.images[rows], known.labels[rows], attack, randomness=randomness)
