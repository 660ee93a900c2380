"""The checks that look at the network, a row each: which tensors they take down of each image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cartl_core.attacks import misclassified, random_starts, run_attack
from cartl_core.attacks.norm_balls import BALLS
from cartl_core.catalog import check_attacks
from cartl_core.evaluation.checks import inference, input_sensitivity, jumps, outputs
from cartl_core.evaluation.checks.gradient_masking import Rescaled, transferred
from cartl_core.evaluation.checks.gradients import gradient_faults
from cartl_core.evaluation.checks.straight_through import StraightThrough, hides_gradients
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

    def points(self, purpose: str) -> Tensor:
        """(N, C, H, W): random points of the ball around each image."""
        attack = self.asked.attack
        ball = BALLS[attack.norm]
        moved = self.images + self.starts(purpose)
        return ball.project(moved, ball.bounds(self.images, attack.eps), attack.eps)


def _gradients(inputs: CheckInputs) -> Rows:
    vanished, flat = gradient_faults(inputs.model, inputs.points("gradients"), inputs.labels)
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


def _jumps(inputs: CheckInputs) -> Rows:
    ends = inputs.points("jumps")
    return {"unexplained": jumps.unexplained_share(inputs.double, inputs.images, ends, inputs.labels)}


def _inference(inputs: CheckInputs) -> Rows:
    seen = inference.observe(inputs.model, inputs.images)
    everyone = torch.ones_like(inputs.labels)
    return {
        "takes_gradients": everyone * seen.takes_gradients > 0,
        "changes_itself": everyone * seen.changed > 0,
        "layer_runs": everyone * seen.runs,
        "neighbours": inference.by_neighbours(inputs.model, inputs.images),
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
    # Asked of one grey image, so that all batches have the same rows.
    if hides_gradients(inputs.model, torch.full_like(inputs.images[:1], 0.5)):
        attack = check_attacks.straight_attack(inputs.asked)
        rows |= inputs.robust_rows(attack, StraightThrough(inputs.model))
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
    "jumps": _jumps,
    "inference": _inference,
    "rising_eps": _rising_eps,
    "eps_one": _eps_one,
    "black_box": _black_box,
    "masking": _masking,
}
