"""Training losses as pure functions of logits and features.

Sources: Chen et al., "CARTL", ICML 2021, for the feature distance; Shafahi et al., "Adversarially
robust transfer learning", ICLR 2020, for distillation (LwF). Shapes: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

PAPER_BATCH = 128
"""The authors sum feature distances over batches of this size; we take 128 times their mean, so that a
published lambda means the same at any batch size."""
COSINE_EPS = 1e-8
"""Shorter features count as this long, so that features of length 0 have a finite angle to all others."""


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of each image, times the weight of its class if there are ``weights`` (C,).

    logits: (N, C); labels: (N,) int64; returns (N,).
    """
    found = functional.cross_entropy(logits, labels, reduction="none")
    return found if weights is None else found * weights[labels]


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
    return feature_distance(perturbed, clean).mean() / spread.clamp_min(_tiny(spread))


def relative_penalty(perturbed: Tensor, clean: Tensor) -> Tensor:
    """Ours: the mean of ||a - b|| / ||b|| over images, each by the length of its own clean features.

    As ``spread_penalty`` it does not fall when features shrink; but it falls when all features move away
    from zero together, which a batch norm takes back again.
    """
    length = feature_distance(clean, torch.zeros_like(clean))
    return (feature_distance(perturbed, clean) / length.clamp_min(_tiny(length))).mean()


def cosine_penalty(perturbed: Tensor, clean: Tensor) -> Tensor:
    """Ours: the mean of 1 - cos of the angle between attacked and clean features, from 0 to 2.

    Any scale drops out, also one that the two do not share. It is about half the square of the angle, so
    it hardly holds features that are near already.
    """
    pairs = (_at_least_single(perturbed).flatten(1), _at_least_single(clean).flatten(1))
    cosines: Tensor = functional.cosine_similarity(*pairs, dim=1, eps=COSINE_EPS)
    return (1 - cosines).mean()


PENALTIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "absolute": absolute_penalty,
    "spread": spread_penalty,
    "relative": relative_penalty,
    "cosine": cosine_penalty,
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
    class_weights: Tensor | None = None,
) -> Tensor:
    """Feature distance minimisation: CE(f(x_adv), y) + lambda * the penalty, averaged over the layers.

    Args:
        logits: (N, C) of the attacked images; the clean ones have no cross-entropy of their own.
        labels: (N,) int64.
        perturbed: features (N, ...) of the attacked images, of each layer compared; the paper has one.
        clean: the same of the clean images; gradient flows through both.
        weight: lambda, at least 0; the paper's where the distance is `absolute`.
        distance: a key of ``PENALTIES``.
        class_weights: (C,) of the cross-entropy; None is 1 for all.

    Returns:
        A scalar: means over the batch.
    """
    penalty = PENALTIES[distance]
    penalties = [penalty(attacked, plain) for attacked, plain in zip(perturbed, clean, strict=True)]
    return cross_entropy(logits, labels, class_weights).mean() + weight * torch.stack(penalties).mean()


def divergence(perturbed: Tensor, clean: Tensor) -> Tensor:
    """KL(p || q) of each image, p and q being the softmax of ``clean`` and of ``perturbed``.

    What TRADES adds to the cross-entropy (Zhang et al., ICML 2019, arXiv 1901.08573, Eq. 5, as published code
    has it): it asks for equal answers, not for right ones. Gradient flows into both.

    Args:
        perturbed: (N, C) logits of what was moved.
        clean: (N, C) logits of what was not.

    Returns:
        (N,), none negative but by rounding.
    """
    q, p = (_at_least_single(logits).log_softmax(dim=1) for logits in (perturbed, clean))
    found: Tensor = functional.kl_div(q, p, reduction="none", log_target=True).sum(dim=1)
    return found


def feature_drift(features: Tensor, teacher: Tensor) -> Tensor:
    """Learning without forgetting: ||phi_teacher(x_i) - phi(x_i)||_1 of each image.

    Args:
        features: (N, F) penultimate features of the student.
        teacher: (N, F) of the teacher; no gradient flows into it.

    Returns:
        (N,): sums over F, not means.
    """
    difference = _at_least_single(features) - _at_least_single(teacher.detach())
    drift: Tensor = difference.flatten(1).abs().sum(dim=1)
    return drift


def anchor_penalty(weights: Mapping[str, Tensor], anchors: Mapping[str, Tensor]) -> Tensor:
    """L2-SP (Li, Grandvalet and Davoine, ICML 2018, arXiv 1802.01483, Eq. 2): 1/2 ||w - w0||_2^2, a scalar.

    Args:
        weights: what is tuned, by name; at least one.
        anchors: where each of them is held, of the same names and shapes.
    """
    gaps = [(weight - anchors[name]).square().sum() for name, weight in weights.items()]
    return torch.stack(gaps).sum() / 2


def _at_least_single(features: Tensor) -> Tensor:
    # Differences of nearly equal bfloat16 numbers have no digits left.
    return features.to(torch.promote_types(features.dtype, torch.float32))


def _tiny(values: Tensor) -> float:
    return torch.finfo(values.dtype).tiny
