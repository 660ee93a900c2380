"""Figures that count every class alike, however many test images it has."""

from __future__ import annotations

from pydantic import Field

from cartl_core.report.values import Value


class BalancedAccuracy(Value):
    """The mean of the classes' accuracies."""

    value: float = Field(ge=0, le=1)
    low: float = Field(
        ge=0,
        le=1,
        description="Of the interval that is recovered from the Wilson intervals of the classes (Zou, Huang "
        "and Zhang 2009).",
    )
    high: float = Field(ge=0, le=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)


class LowestClass(Value):
    """The class with the lowest accuracy."""

    label: int = Field(ge=0, description="Label of the task.")
    name: str
    n: int = Field(ge=1, description="Its test images.")
    value: float = Field(ge=0, le=1)
    low: float = Field(
        ge=0,
        le=1,
        description="Of the interval for the lowest of the true accuracies, whichever class has it: Wilson "
        "intervals of all classes that hold at once (Bonferroni).",
    )
    high: float = Field(ge=0, le=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)


class OverClasses(Value):
    """An accuracy, class by class, in two figures. Classes without a test image are left out."""

    classes: int = Field(ge=1, description="Classes that have test images.")
    fewest: int = Field(ge=1, description="Test images of the class that has the fewest.")
    balanced: BalancedAccuracy
    lowest: LowestClass
