"""Scale collapse: how far an attack moves features, in their own units and in units of their spread.

A tail begins with batch norm, which divides by the spread: only the ratio says how far it is moved.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from cartl_core.attacks import perturb
from cartl_core.data import Split
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.losses import feature_distance, feature_spread
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from study.plan import Pair

STEPS = 10
BATCH = 256

Scale: TypeAlias = list[tuple[float, float]]
"""(distance, spread) after each block that can end a trunk, the first one first."""


def scale_of(
    network: Network, images: Split, pair: Pair, *, limit: int, seed: int, ctx: StageContext
) -> Scale:
    """Mean feature distance under PGD and spread of the clean features, after blocks 1 to B - 1.

    The attack climbs the cross-entropy of the network's own answer, so that it is the same question on the
    source and on a target whose classes the network does not know.
    """
    network.eval().requires_grad_(False)
    drawn = torch.randperm(len(images), generator=generator(seed, "scale"))[:limit]
    pixels = ctx.put(images.images[drawn])
    with torch.no_grad():
        answers = network(pixels).argmax(dim=1)
    noise = torch.rand(pixels.shape, generator=generator(seed, "scale", "start"))
    start = ((2 * noise - 1) * pair.eps).to(pixels)
    moved = perturb(network, pixels, answers, eps=pair.eps, step=pair.eps / 4, steps=STEPS, start=start)
    with torch.no_grad():
        pairs = zip(_features(network, moved), _features(network, pixels), strict=True)
        return [
            (float(feature_distance(far, near).mean()), float(feature_spread(near))) for far, near in pairs
        ]


def _features(network: Network, x: Tensor) -> list[Tensor]:
    found = []
    x = network.stem(network.normalize(x))
    for block in network.blocks[:-1]:
        x = block(x)
        found.append(x)
    return found
