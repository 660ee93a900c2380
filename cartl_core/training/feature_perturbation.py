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
from cartl_core.data import ImageSet, Split
from cartl_core.execution.pieces import pieces
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.losses import cross_entropy, feature_distance
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.spec import DisplacementSpec
from cartl_core.training.gradient import TrainingInputs
from cartl_core.training.trunk_features import BATCH, batch_features, keep_features
from cartl_core.training.trunk_identity import UNKNOWN, TrunkIdentity


@dataclass(frozen=True, eq=False)
class PerturbedInputs:
    """What the tail learns from.

    Attributes:
        inputs: of N images (N, 1 + copies, ...) on the CPU: clean first, then each perturbed copy.
        cached: whether these are features; images where features were too large to keep.
    """

    inputs: TrainingInputs
    cached: bool


@dataclass(frozen=True, eq=False)
class PerturbedImages:
    """Clean images as they are drawn, and beside them their perturbed copies.

    Attributes:
        moved: (N, copies, C, S, S).
    """

    clean: ImageSet
    moved: Tensor

    def __len__(self) -> int:
        return len(self.clean)

    def __getitem__(self, positions: Tensor) -> Tensor:
        """(n, 1 + copies, C, S, S)."""
        return torch.cat([self.clean[positions].unsqueeze(1), self.moved[positions]], dim=1)


def perturbed_inputs(
    lower: nn.Module,
    split: Split,
    spec: DisplacementSpec,
    *,
    seed: int,
    ctx: StageContext,
    known: TrunkIdentity = UNKNOWN,
    dtype: torch.dtype = torch.float32,
) -> PerturbedInputs:
    """The images of ``split`` beside their perturbed copies, as features if these are within the limit.

    The same whatever the batches, and whenever it is computed. ``lower`` must be in eval mode.

    Args:
        known: what the trunk and its images are known by to other runs.
        dtype: in which features are kept.

    Raises:
        Interruption: the run was asked to stop.
    """
    surrogate = fold_batch_norm(lower)
    settings = {"seed": seed} | {name: getattr(spec, name) for name in ("eps", "step", "steps", "copies")}

    def together(first: int) -> Tensor:
        """(n, 1 + copies, C, S, S) of one batch of images."""
        part = split.at(torch.arange(first, min(first + BATCH, len(split))))
        copies = range(spec.copies)
        moved = [_farthest(surrogate, part, spec, copy=copy, seed=seed, ctx=ctx) for copy in copies]
        return torch.stack([part.images.tensor(), *moved], dim=1)

    def fill_images(moved: Tensor) -> None:
        for first in range(0, len(split), BATCH):
            moved[first : first + BATCH] = together(first)[:, 1:]

    def fill_features(kept: Tensor) -> None:
        for first in range(0, len(split), BATCH):
            images, rows = (each.flatten(0, 1) for each in (together(first), kept[first : first + BATCH]))
            for part, its in zip(images.split(BATCH), rows.split(BATCH), strict=True):
                keep_features(its, lower, part, ctx)

    shape = (len(split), 1 + spec.copies, *batch_features(lower, split.images[:1], ctx).shape[1:])
    if not ctx.scratch.fits(shape, dtype):
        shape = (len(split), spec.copies, *split.images.shape[1:])
        moved = ctx.kept(
            known.digest("perturbed images", torch.float32, **settings), shape, torch.float32, fill_images
        )
        return PerturbedInputs(PerturbedImages(split.images, moved), cached=False)
    kept = ctx.kept(known.digest("perturbed features", dtype, **settings), shape, dtype, fill_features)
    return PerturbedInputs(kept, cached=True)


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
    parts = torch.arange(len(split)).split(BATCH)
    return torch.cat(
        [_farthest(surrogate, split.at(part), spec, copy=copy, seed=seed, ctx=ctx) for part in parts]
    )


def _farthest(
    surrogate: nn.Module, split: Split, spec: DisplacementSpec, *, copy: int, seed: int, ctx: StageContext
) -> Tensor:
    """The same of one batch, piece by piece."""
    parts = pieces(torch.arange(len(split)), ctx.device)
    return torch.cat(
        [_farthest_at_once(surrogate, split.at(part), spec, copy=copy, seed=seed, ctx=ctx) for part in parts]
    )


def _farthest_at_once(
    surrogate: nn.Module, split: Split, spec: DisplacementSpec, *, copy: int, seed: int, ctx: StageContext
) -> Tensor:
    """The same of images that go through the trunk together."""
    ctx.stop.check()
    images = ctx.put(split.images.tensor())
    start = random_starts(
        images.shape[1:], spec.eps, seed=seed, label="displacement", restart=copy, indices=split.index
    )
    with torch.no_grad():
        clean = surrogate(images)
    return perturb(
        surrogate,
        images,
        clean,
        eps=spec.eps,
        step=spec.step,
        steps=spec.steps,
        start=start,
        objective=feature_distance,
    ).cpu()
