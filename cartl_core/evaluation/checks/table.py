"""The checks that look at the network, a row each: which tensors they take down of each image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cartl_core.attacks import misclassified, random_starts, run_attack
from cartl_core.attacks.norm_balls import BALLS
from cartl_core.catalog import check_attacks
from cartl_core.evaluation.checks import input_sensitivity, outputs
from cartl_core.evaluation.checks.gradient_masking import Rescaled, transferred
from cartl_core.evaluation.checks.gradients import gradient_faults
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec

Rows = dict[str, Tensor]
ROBUST = "held."
"""What held against an attack of the checks is under this and the attack's label."""


@dataclass(frozen=True)
class CheckInputs:
    """A network under check and a batch of N images.

    Attributes:
        model: maps (N, C, H, W) in [0, 1] to (N, classes) logits; in eval mode.
        double: a copy of it in double precision, see ``input_sensitivity.in_double``.
        images: (N, C, H, W) in [0, 1]; labels: (N,) int64.
        indices: (N,) positions of the images in their data set.
        other: the name of another network for the same classes, and that network.
    """

    model: nn.Module
    double: nn.Module
    classes: int
    images: Tensor
    labels: Tensor
    indices: Tensor
    seed: int
    asked: ChecksSpec
    other: tuple[str, nn.Module] | None = None

    def starts(self, purpose: str) -> Tensor:
        """(N, C, H, W): random perturbations within the radius, each of its image alone."""
        return random_starts(
            self.images.shape[1:],
            self.asked.attack.eps,
            seed=self.seed,
            label=f"checks {purpose}",
            restart=0,
            indices=self.indices,
            norm=self.asked.attack.norm,
        ).to(self.images)

    def robust_rows(self, attack: AttackSpec, model: nn.Module | None = None) -> Rows:
        """One row: which images hold against ``attack``."""
        outcome = run_attack(
            model or self.model,
            self.images,
            self.labels,
            attack,
            seed=self.seed,
            label=f"checks {attack.label}",
            indices=self.indices,
        )
        return {ROBUST + attack.label: ~outcome.broken}


def _gradients(inputs: CheckInputs) -> Rows:
    ball, attack = BALLS[inputs.asked.attack.norm], inputs.asked.attack
    moved = inputs.images + inputs.starts("gradients")
    points = ball.project(moved, ball.bounds(inputs.images, attack.eps), attack.eps)
    vanished, flat = gradient_faults(inputs.model, points, inputs.labels)
    return {"vanished": vanished, "flat": flat}


def _outputs(inputs: CheckInputs) -> Rows:
    first, second = outputs.two_passes(inputs.model, inputs.images)
    return {
        "right": ~misclassified(first, inputs.labels),
        "probable": outputs.like_probabilities(first),
        "lowest_output": first.amin(1),
        "highest_output": first.amax(1),
        "difference": outputs.relative_difference(first, second),
        "redecided": first.argmax(1) != second.argmax(1),
    }


def _input_range(inputs: CheckInputs) -> Rows:
    bands = inputs.indices.to(inputs.labels) % len(input_sensitivity.BANDS)
    shape = inputs.images.shape[1:]
    noise = torch.empty(len(bands), 2, *shape)
    for row, index in zip(noise, inputs.indices.tolist(), strict=True):
        row.uniform_(generator=generator(inputs.seed, "checks noise", index))
    return {
        "lowest_pixel": inputs.images.flatten(1).amin(1),
        "highest_pixel": inputs.images.flatten(1).amax(1),
        "band": bands,
        "deaf": input_sensitivity.insensitive(inputs.double, inputs.images, bands, noise.to(inputs.images)),
    }


def _rising_eps(inputs: CheckInputs) -> Rows:
    rows: Rows = {}
    for attack in check_attacks.radius_attacks(inputs.asked):
        rows |= inputs.robust_rows(attack)
    return rows


def _eps_one(inputs: CheckInputs) -> Rows:
    return inputs.robust_rows(check_attacks.EPS_ONE)


def _black_box(inputs: CheckInputs) -> Rows:
    attack = check_attacks.black_box_attack(inputs.asked)
    return inputs.robust_rows(attack) if attack else {}


def _masking(inputs: CheckInputs) -> Rows:
    rows = inputs.robust_rows(check_attacks.scale_invariant_attack(inputs.asked, inputs.classes))
    rows |= inputs.robust_rows(check_attacks.rescaled_attack(inputs.asked), Rescaled(inputs.model))
    if inputs.other is not None:
        name, source = inputs.other
        attack, start = check_attacks.transfer_attack(inputs.asked, name), inputs.starts("transfer")
        broken = transferred(source, inputs.model, inputs.images, inputs.labels, attack, start)
        rows[ROBUST + attack.label] = ~broken
    return rows


CHECKS: dict[str, Callable[[CheckInputs], Rows]] = {
    "outputs": _outputs,
    "gradients": _gradients,
    "input_range": _input_range,
    "rising_eps": _rising_eps,
    "eps_one": _eps_one,
    "black_box": _black_box,
    "masking": _masking,
}
