"""Several altered views of each training image, drawn once, of which a batch takes one an image.

Where the images are altered anew for every batch, a frozen trunk sees other images in every step. With a
stated number of views it sees the same few, so what it makes of them can be kept. Shapes: N images
(N, C, H, W) in [0, 1], V views of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cartl_core.data import ImageSet
from cartl_core.data.augment import Draws, altered, draws
from cartl_core.nn.rng import generator
from cartl_core.spec import Augmentation
from cartl_core.training.gradient import StepContext

Rows = Callable[[Tensor, Tensor], Tensor]
"""Positions (n,) of images and a view (n,) of each to images or features (n, ...)."""


@dataclass(frozen=True, eq=False)
class AlteredImages:
    """The views as images, made when they are asked for: ``Rows``.

    Attributes:
        count: V.
        drawn: of each alteration in turn, (V, N, ...).
    """

    images: ImageSet
    kind: Augmentation
    count: int
    seed: int
    drawn: Draws

    @classmethod
    def of(cls, images: ImageSet, kind: Augmentation, count: int, seed: int) -> AlteredImages:
        """``count`` views; each is what ``augment`` makes of all images with its own generator."""
        height = images.shape[2]
        each = [draws(kind, len(images), height, generator(seed, "views", view)) for view in range(count)]
        return cls(
            images, kind, count, seed, tuple(torch.stack(numbers) for numbers in zip(*each, strict=True))
        )

    def __len__(self) -> int:
        """N."""
        return len(self.images)

    def __call__(self, positions: Tensor, views: Tensor) -> Tensor:
        """(n, C, H, W)."""
        chosen = tuple(numbers[views, positions] for numbers in self.drawn)
        return altered(self.images[positions], self.kind, chosen)


@dataclass(frozen=True, eq=False)
class Views:
    """What a training draws its batches from.

    Attributes:
        rows: images or features.
        images: N.
        count: V.
    """

    rows: Rows
    images: int
    count: int

    def __len__(self) -> int:
        """N."""
        return self.images

    def of_step(self, positions: Tensor, step: StepContext) -> Tensor:
        """(n, ...): of each image at ``positions`` (n,) the view that the step draws."""
        views = torch.randint(self.count, positions.shape, generator=step.draw("view"))
        return self.rows(positions, views)
