"""Report values: robust accuracy over eps, and accuracy under common corruptions. Torch-free."""

from __future__ import annotations

from pydantic import Field

from cartl_core.report.values import Interval, Value


class Mean(Value):
    """A mean of values between 0 and 1, one an image, with a score interval at their effective number."""

    value: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    n: int = Field(ge=0)
    confidence: float = Field(default=0.95, gt=0, lt=1)


class ExpectedRobustness(Mean):
    """Robust accuracy, averaged over radii from 0 to ``to_eps``, each as likely as any other.

    It is the area under the curve from 0 to ``to_eps``, over ``to_eps``: the mean over images of the part of
    that range which each withstands, where an image counts as standing up to the radius at which it was
    seen to fall, and one that is wrong without an attack counts 0.
    """

    to_eps: float = Field(gt=0)


class MedianDistance(Value):
    """How far the median image must be moved to be misclassified, of the images right without an attack.

    The distances found by an attack bound the true ones from above. The median is that of an image: of an
    even number, the lower of the two in the middle. Its interval is between two order statistics and
    supposes nothing of how distances are distributed. Null stands for: farther than the curve goes.
    """

    value: float | None = Field(default=None, ge=0)
    low: float | None = Field(default=None, ge=0)
    high: float | None = Field(default=None, ge=0)
    n: int = Field(ge=0, description="Images that are right without an attack.")
    standing: int = Field(ge=0, description="Of those, images that nothing moved on the whole curve.")
    confidence: float = Field(default=0.95, gt=0, lt=1)


class CurvePoint(Value):
    """Robust accuracy at one radius."""

    eps: float = Field(ge=0)
    robust: Interval


class RobustnessCurve(Value):
    """Robust accuracy over eps, from 0 to where it first falls under ``floor``, in one norm."""

    norm: str
    loss: str
    steps: int = Field(description="At each radius, from each start.")
    step_of_eps: float = Field(description="Step size as a part of the radius.")
    restarts: int = Field(
        description="Random starts at each radius, after one from where the radius before ended."
    )
    refine: int = Field(description="Bisections of each image's last interval.")
    seed: int
    n: int
    points: tuple[CurvePoint, ...] = Field(description="Rising; the last is the first one under `floor`.")
    floor: float = Field(default=0.01, gt=0, lt=1)
    reached_floor: bool = Field(description="Else the points end with the last radius that was tried.")
    median_distance: MedianDistance
    expected_robustness: ExpectedRobustness


class CorruptionResult(Value):
    """Accuracy under one corruption at one severity."""

    name: str
    severity: int = Field(ge=1, le=5)
    accuracy: Interval


class CorruptionResults(Value):
    """Accuracy under common corruptions of the very images, none of them chosen by an adversary."""

    seed: int
    n: int
    source: str
    results: tuple[CorruptionResult, ...]
    mean: Mean = Field(description="Over images, of the share of the corruptions that each withstands.")
