"""What a network is, its weights apart. Torch-free: a front end reads it from a file's header."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cartl_core.spec.base import ARRAY, SpecModel
from cartl_core.spec.data_and_model import ModelSpec

MOST_CLASSES = 10_000
MOST_BLOCKS = 1000

Channels = Annotated[tuple[float, ...], ARRAY, Field(min_length=1, max_length=3)]


class Architecture(SpecModel):
    """All that is needed to build a network again, its weights apart."""

    model: ModelSpec
    classes: int = Field(ge=1, le=MOST_CLASSES, description="Outputs of the head.")
    mean: Channels = Field(description="Subtracted from each channel of an image in [0, 1].")
    std: Channels = Field(description="Each channel is divided by it, after the mean is subtracted.")
    averaged_from: int | None = Field(
        default=None,
        ge=0,
        le=MOST_BLOCKS,
        description="Index of the first block whose residual merge is an average; null: all are sums.",
    )
