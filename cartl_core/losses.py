"""Training losses as pure functions of logits and features.

Sources: Chen et al., "CARTL", ICML 2021, for the feature distance; Shafahi et al., "Adversarially
robust transfer learning", ICLR 2020, for distillation (LwF). Shapes: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

PAPER_BATCH = 128
"""The authors sum feature distances over batches of this size; we take 128 times their mean, so that a
published lambda means the same at any batch size."""


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each image. logits: (N, C); labels: (N,) int64; returns (N,)."""
    return functional.cross_entropy(logits, labels, reduction="none")


def feature_distance(perturbed: Tensor, clean: Tensor) -> Tensor:
    """Euclidean distance of two feature maps over the root of their size: ||a - b||_2 / sqrt(D).

    The norm is not squared. Where the two are equal its gradient is 0, not undefined.

    Args:
        perturbed: (N, ...) features of the attacked images, D numbers each.
        clean: the same shape, features of the images themselves.

    Returns:
        (N,), at least in single precision whatever the features are in.
    """
    difference = (_at_least_single(perturbed) - _at_least_single(clean)).flatten(1)
    distance: Tensor = torch.linalg.vector_norm(difference, dim=1) / difference.shape[1] ** 0.5
    return distance


def feature_spread(features: Tensor) -> Tensor:
    """Mean distance of a batch's features (N, ...) to their own mean, as ``feature_distance``; a scalar."""
    return feature_distance(features, features.mean(dim=0, keepdim=True)).mean()


def absolute_penalty(perturbed: Tensor, clean: Tensor) -> Tensor:
    """The paper's: the sum of the distances over 128 images, as ``PAPER_BATCH`` times their mean."""
    return PAPER_BATCH * feature_distance(perturbed, clean).mean()


def spread_penalty(perturbed: Tensor, clean: Tensor) -> Tensor:
    """Ours: the mean distance over the spread of the clean features; the scale of the features drops out.

    The absolute distance can be had by shrinking the features, which helps no tail: its batch norm scales
    them up again. Gradient flows through the spread as well.
    """
    spread = feature_spread(clean)
    return feature_distance(perturbed, clean).mean() / spread.clamp_min(torch.finfo(spread.dtype).tiny)


PENALTIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "absolute": absolute_penalty,
    "spread": spread_penalty,
}
"""Of (perturbed, clean) features (N, ...): a scalar, by the name in ``PretrainSpec.fdm_distance``."""


def fdm_loss(
    logits: Tensor,
    labels: Tensor,
    perturbed: Sequence[Tensor],
    clean: Sequence[Tensor],
    *,
    weight: float,
    distance: str = "absolute",
) -> Tensor:
    """Feature distance minimisation: CE(f(x_adv), y) + lambda * the penalty, averaged over the layers.

    Args:
        logits: (N, C) of the attacked images; the clean ones have no cross-entropy of their own.
        labels: (N,) int64.
        perturbed: features (N, ...) of the attacked images, of each layer compared; the paper has one.
        clean: the same of the clean images; gradient flows through both.
        weight: lambda, at least 0; the paper's where the distance is `absolute`.
        distance: a key of ``PENALTIES``.

    Returns:
        A scalar: means over the batch.
    """
    penalty = PENALTIES[distance]
    penalties = [penalty(attacked, plain) for attacked, plain in zip(perturbed, clean, strict=True)]
    return cross_entropy(logits, labels).mean() + weight * torch.stack(penalties).mean()


def lwf_loss(logits: Tensor, labels: Tensor, features: Tensor, teacher: Tensor, *, weight: float) -> Tensor:
    """Learning without forgetting: CE + lambda * mean_i ||phi_teacher(x_i) - phi(x_i)||_1.

    Args:
        logits: (N, C) of the student.
        labels: (N,) int64.
        features: (N, F) penultimate features of the student.
        teacher: (N, F) of the teacher; no gradient flows into it.
        weight: lambda, at least 0.

    Returns:
        A scalar: means over the batch; the distance is a sum over F, not a mean.
    """
    difference = _at_least_single(features) - _at_least_single(teacher.detach())
    drift = difference.flatten(1).abs().sum(dim=1)
    return cross_entropy(logits, labels).mean() + weight * drift.mean()


def _at_least_single(features: Tensor) -> Tensor:
    # Differences of nearly equal bfloat16 numbers have no digits left.
    return features.to(torch.promote_types(features.dtype, torch.float32))
