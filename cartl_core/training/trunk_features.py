"""Features of a frozen trunk that are computed once: of each image, or of several altered views of it.

Shapes: images (N, C, H, W) in [0, 1]; features (N, ...); views stand in the second dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cartl_core.data import ImageSet
from cartl_core.errors import SpecError
from cartl_core.execution.pieces import pieces
from cartl_core.execution.stage_context import StageContext
from cartl_core.training.trunk_identity import UNKNOWN, TrunkIdentity
from cartl_core.training.views import AlteredImages

BATCH = 256


def cached_features(
    lower: nn.Module,
    images: ImageSet,
    ctx: StageContext,
    known: TrunkIdentity = UNKNOWN,
    dtype: torch.dtype = torch.float32,
) -> Tensor | None:
    """Features of all ``images`` on the CPU; None when they exceed the limit of ``ctx.scratch``.

    ``lower`` must be in eval mode: a fixed function.

    Args:
        known: what the trunk and its images are known by to other runs.
        dtype: in which features are kept.
    """
    shape = (len(images), *batch_features(lower, images[:1], ctx).shape[1:])
    if not ctx.scratch.fits(shape, dtype):
        return None

    def fill(kept: Tensor) -> None:
        for first in range(0, len(images), BATCH):
            keep_features(kept[first : first + BATCH], lower, images[first : first + BATCH], ctx)

    return ctx.kept(known.digest("features", dtype), shape, dtype, fill)


def view_features(
    lower: nn.Module,
    images: AlteredImages,
    ctx: StageContext,
    known: TrunkIdentity = UNKNOWN,
    dtype: torch.dtype = torch.float32,
) -> Tensor | None:
    """Features (N, V, ...) of all views of all ``images``, likewise."""
    one = batch_features(
        lower, images(torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)), ctx
    )
    shape = (len(images), images.count, *one.shape[1:])
    if not ctx.scratch.fits(shape, dtype):
        return None

    def fill(kept: Tensor) -> None:
        for positions in torch.arange(len(images)).split(BATCH):
            for view in range(images.count):
                altered = images(positions, torch.full_like(positions, view))
                keep_features(kept[positions[0] : positions[-1] + 1, view], lower, altered, ctx)

    digest = known.digest("views", dtype, seed=images.seed, augmentation=images.kind, views=images.count)
    return ctx.kept(digest, shape, dtype, fill)


def keep_features(rows: Tensor, lower: nn.Module, images: Tensor, ctx: StageContext) -> None:
    """Write the features of one batch into rows of the array that keeps them, piece by piece.

    Raises:
        SpecError: they are too large for its type.
    """
    for kept, piece in zip(pieces(rows, ctx.device), pieces(images, ctx.device), strict=True):
        keep(kept, batch_features(lower, piece, ctx))


def batch_features(lower: nn.Module, images: Tensor, ctx: StageContext) -> Tensor:
    """Of images that go through the trunk at once, in fp32 on the CPU."""
    ctx.stop.check()
    with torch.no_grad():
        features: Tensor = lower(ctx.put(images)).float().cpu()
    return features


def keep(rows: Tensor, features: Tensor) -> None:
    """Write features into rows of the array that keeps them.

    Raises:
        SpecError: they are too large for its type.
    """
    rows.copy_(features)
    if rows.dtype == torch.float16 and not rows.isfinite().all() and features.isfinite().all():
        raise SpecError(
            "transfer.feature_precision",
            f"the trunk makes features up to {float(features.abs().max()):.3g}, above what fp16 holds",
            allowed="fp32",
        )
