"""The worst images as values of the report; their pixels are in an artifact. Torch-free."""

from __future__ import annotations

from pydantic import Field

from cartl_core.report.values import Value


class WorstImage(Value):
    """An image that the network gets right, and what an attack makes of it."""

    index: int = Field(ge=0, description="Position in the files of the test set.")
    label: int = Field(ge=0, description="True class of the task.")
    confidence: float = Field(ge=0, le=1, description="In the true class, without the attack.")
    wrong_label: int = Field(ge=0, description="The class that wins under the attack.")
    wrong_confidence: float = Field(ge=0, le=1, description="In the wrong class, under the attack.")
    left_confidence: float = Field(ge=0, le=1, description="In the true class, under the attack.")
    distance: float = Field(ge=0, description="Of the two images, in the attack's norm.")


class Gallery(Value):
    """Images that are right without an attack and most confidently wrong under it, a class each first.

    The attack is not that of the figures: it climbs the margin and goes on after the network is fooled.
    """

    norm: str
    loss: str
    eps: float
    step: float
    steps: int
    restarts: int
    seed: int
    n: int = Field(description="Images that were tried.")
    right: int = Field(description="Of those, right without an attack.")
    fooled: int = Field(description="Of those, wrong at the last step.")
    magnification: int = Field(ge=1, description="Of the perturbation in the picture, around grey.")
    images: tuple[WorstImage, ...]
