"""Feature-space adversarial perturbations: how far an adversary moves a frozen trunk's features, found once.

Ours. The trunk is a fixed function, so how far images within eps can move its features is fixed as well.
Label-free projected gradient ascent climbs ||lower(x + d) - lower(x)||_2, and the tail learns from features
that are moved as far, at one attack through the trunk for the whole training instead of one through the
network at every step. The direction is the trunk's (where the attack ended) or the tail's: to the side on
which its own cross-entropy climbs, one gradient of the tail a step and none of the trunk.

Shapes: images (N, C, H, W) in [0, 1]; features (N, ...); copies stand in the second dimension.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cartl_core.attacks import fold_batch_norm, perturb, random_starts
from cartl_core.data import Split
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.losses import cross_entropy, feature_distance
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.spec import DisplacementSpec

BATCH = 256


@dataclass(frozen=True, eq=False)
class PerturbedInputs:
    """What the tail learns from.

    Attributes:
        inputs: (N, 1 + copies, ...) on the CPU: clean first, then each perturbed copy.
        cached: whether these are features; images where features did not fit into memory.
    """

    inputs: Tensor
    cached: bool


def perturbed_inputs(
    lower: nn.Module, split: Split, spec: DisplacementSpec, *, seed: int, ctx: StageContext
) -> PerturbedInputs:
    """The images of ``split`` beside their perturbed copies, as features if they fit into memory.

    The same whatever the batches, and whenever it is computed. ``lower`` must be in eval mode.

    Raises:
        Interruption: the run was asked to stop.
    """
    images = [split.images]
    images += [
        farthest_images(lower, split, spec, copy=copy, seed=seed, ctx=ctx) for copy in range(spec.copies)
    ]
    together = torch.stack(images, dim=1)
    features = cached_features(lower, together.flatten(0, 1), ctx)
    if features is None:
        return PerturbedInputs(together, cached=False)
    return PerturbedInputs(features.view(*together.shape[:2], *features.shape[1:]), cached=True)


def perturbed_features(
    upper: nn.Module, clean: Tensor, perturbed: Tensor, labels: Tensor, spec: DisplacementSpec
) -> Tensor:
    """Features (N, ...) moved as ``spec`` has it: ``reach`` times as far as the trunk's attack moved them.

    With ``direction: tail`` by the sign of the cross-entropy's gradient, the one step of FGSM (Goodfellow et
    al., ICLR 2015) in a box whose sides are the displacement of each number. ``upper`` is left as it was.

    Args:
        clean: features, without a gradient.
        perturbed: of the same images, where the trunk's attack ended.
        labels: (N,).
    """
    if spec.direction == "tail":
        return clean + spec.reach * (perturbed - clean).abs() * _loss_gradient(upper, clean, labels).sign()
    # Where they are moved all the way they are exactly where the attack ended.
    return perturbed if spec.reach == 1.0 else clean + spec.reach * (perturbed - clean)


def _loss_gradient(upper: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    with preserve_model_state(upper), torch.enable_grad():
        asking = features.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(cross_entropy(upper(asking), labels).sum(), asking)
    return gradient


def farthest_images(
    lower: nn.Module, split: Split, spec: DisplacementSpec, *, copy: int, seed: int, ctx: StageContext
) -> Tensor:
    """Each image moved within eps, in linf and [0, 1], so that its features end far from where they were.

    Args:
        lower: the trunk, in eval mode; it is left as it was.
        copy: which of the copies; each starts at its own random point of the ball.

    Returns:
        (N, C, H, W) on the CPU.
    """
    surrogate = fold_batch_norm(lower)
    moved = torch.empty_like(split.images)
    for first in range(0, len(moved), BATCH):
        ctx.stop.check()
        part = slice(first, first + BATCH)
        images = ctx.put(split.images[part])
        start = random_starts(
            images.shape[1:],
            spec.eps,
            seed=seed,
            label="displacement",
            restart=copy,
            indices=split.index[part],
        )
        with torch.no_grad():
            clean = surrogate(images)
        moved[part] = perturb(
            surrogate,
            images,
            clean,
            eps=spec.eps,
            step=spec.step,
            steps=spec.steps,
            start=start,
            objective=feature_distance,
        ).cpu()
    return moved


LIMIT_BYTES = 2**30
BATCH = 256


def cached_features(
    lower: nn.Module, images: Tensor, ctx: StageContext, *, limit_bytes: int = LIMIT_BYTES
) -> Tensor | None:
    """Features of all ``images`` (N, C, H, W), in fp32 on the CPU; None when they exceed ``limit_bytes``.

    ``lower`` must be in eval mode: a fixed function.
    """
    features: Tensor | None = None
    with torch.no_grad():
        for first in range(0, len(images), BATCH):
            ctx.stop.check()
            part = lower(ctx.put(images[first : first + BATCH])).float().cpu()
            if features is None:
                if len(images) * part[0].numel() * part.element_size() > limit_bytes:
                    return None
                features = torch.empty((len(images), *part.shape[1:]))
            features[first : first + BATCH] = part
    return features
