"""Randomised smoothing (Cohen, Rosenfeld and Kolter, ICML 2019, arXiv 1902.02918): CERTIFY.

The smoothed classifier answers with the class that the network gives most often when Gaussian noise is
added to the image. Its certificate is probabilistic: each one is wrong with a probability of at most alpha.
It says nothing of the network itself, which answers without noise.

Noise comes from generators of (seed, phase, image index, draw), so batching and resuming change nothing.
Shapes: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import NormalDist
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from cartl_core.nn.module_state import preserve_model_state
from cartl_core.nn.rng import generator

Phase = Literal["guess", "count"]
DRAWS = 250
"""Noisy copies of one image that pass the network at once; a generator each."""


class Certified(NamedTuple):
    """What CERTIFY says of each image; all (N,), on the CPU.

    Attributes:
        predicted: the smoothed classifier's class, int64; where it abstains, its guess.
        radius: float64, L2 in pixel units within which that class is certified; 0 where it abstains.
        abstained: bool.
    """

    predicted: Tensor
    radius: Tensor
    abstained: Tensor


def certify(
    model: nn.Module,
    images: Tensor,
    *,
    sigma: float,
    n0: int,
    n: int,
    alpha: float,
    seed: int,
    indices: Iterable[int] | Tensor,
) -> Certified:
    """Guess the smoothed class from ``n0`` draws, then bound its probability from ``n`` others.

    Args:
        model: maps (B, C, H, W) to logits (B, K); left as it was.
        images: (N, C, H, W) in [0, 1]; noisy copies leave that range, as in the source.
        sigma: deviation of the noise in pixel units, above 0.
        n0: draws for the guess, at least 1.
        n: draws for the bound, at least 1.
        alpha: how often a certificate may be wrong, above 0 and below 1.
        seed: the job's seed.
        indices: (N,) positions of the images in their data set.
    """
    positions = indices.tolist() if isinstance(indices, Tensor) else list(indices)
    predicted = torch.zeros(len(positions), dtype=torch.int64)
    radius = torch.zeros(len(positions), dtype=torch.float64)
    with preserve_model_state(model), torch.no_grad():
        for row, (image, index) in enumerate(zip(images, positions, strict=True)):
            guess = int(_votes(model, image, sigma, n0, seed, "guess", index).argmax())
            votes = int(_votes(model, image, sigma, n, seed, "count", index)[guess])
            predicted[row], radius[row] = guess, certified_radius(votes, n, sigma=sigma, alpha=alpha)
    return Certified(predicted, radius, radius <= 0)


def certified_radius(votes: int, n: int, *, sigma: float, alpha: float) -> float:
    """sigma * quantile(lower bound of the class's probability), or 0 where it may be 1/2 or less.

    Theorem 1 of the source, with the other classes bounded by what is left.
    """
    likely = clopper_pearson_low(votes, n, alpha)
    return sigma * NormalDist().inv_cdf(likely) if likely > 0.5 else 0.0


def clopper_pearson_low(successes: int, n: int, alpha: float) -> float:
    """One-sided exact lower bound of a proportion, right with probability 1 - alpha or more.

    Clopper and Pearson, Biometrika 26 (1934).

    Raises:
        ValueError: unless 0 <= successes <= n, n >= 1 and 0 < alpha < 1.
    """
    if not 0 <= successes <= n or n < 1 or not 0 < alpha < 1:
        raise ValueError(f"successes={successes} of n={n} at alpha={alpha} is no proportion")
    # Imported where it is needed: few runs are certified, and every run would wait for the import.
    from scipy.special import betaincinv

    return float(betaincinv(successes, n - successes + 1, alpha)) if successes else 0.0


def _votes(
    model: nn.Module, image: Tensor, sigma: float, count: int, seed: int, phase: Phase, index: int
) -> Tensor:
    """(K,) int64: how often each class is the answer to a noisy copy of ``image`` (C, H, W).

    Logits that are not finite answer with no class.
    """
    votes = None
    for noise in _noise(image, count, seed, phase, index):
        logits = model(image + sigma * noise.to(image))
        given = logits[logits.isfinite().all(dim=1)].argmax(dim=1)
        answers = torch.bincount(given, minlength=logits.shape[1])
        votes = answers if votes is None else votes + answers
    assert votes is not None
    return votes


def _noise(image: Tensor, count: int, seed: int, phase: Phase, index: int) -> Iterator[Tensor]:
    """``count`` standard normal perturbations (C, H, W), up to ``DRAWS`` at a time."""
    for first in range(0, count, DRAWS):
        source = generator(seed, "smoothing", phase, index, first)
        yield torch.randn(min(DRAWS, count - first), *image.shape, generator=source)
