"""Trunk features computed once, when the trunk is a fixed function and images are not augmented.

Within one run the tail sees the very same features in each epoch, so each is computed once instead of
once an epoch. Bounded in memory: what does not fit is computed as it is needed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cartl_core.workplace import Workplace

LIMIT_BYTES = 2**30
BATCH = 256


def cached_features(
    lower: nn.Module, images: Tensor, place: Workplace, *, limit_bytes: int = LIMIT_BYTES
) -> Tensor | None:
    """Features of all ``images`` (N, C, H, W), in fp32 on the CPU; None when they exceed ``limit_bytes``.

    ``lower`` must be in eval mode: a fixed function.
    """
    features: Tensor | None = None
    with torch.no_grad():
        for first in range(0, len(images), BATCH):
            place.stop.check()
            part = lower(place.put(images[first : first + BATCH])).float().cpu()
            if features is None:
                if len(images) * part[0].numel() * part.element_size() > limit_bytes:
                    return None
                features = torch.empty((len(images), *part.shape[1:]))
            features[first : first + BATCH] = part
    return features
