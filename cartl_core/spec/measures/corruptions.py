"""The common corruptions, a row each, with the constants of every severity; torch-free.

From Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and
perturbations", ICLR 2019, arXiv 1903.12261; the constants are those that the authors made CIFAR-10-C with,
for images of 32 pixels. Eight of their nineteen, two or three of each family, none that needs pictures or
libraries of its own. Pixels are in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, field_validator

from cartl_core.spec.base import ARRAY, refusal
from cartl_core.spec.measures.diagnostics import DiagnosticSpec

CorruptionName = Literal[
    "gaussian_noise",
    "impulse_noise",
    "gaussian_blur",
    "fog",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg",
]

SOURCE = "Hendrycks and Dietterich 2019, arXiv 1903.12261: constants of CIFAR-10-C"
SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class CorruptionFacts:
    """One corruption; ``constants[severity - 1]`` is how much of it."""

    name: CorruptionName
    family: Literal["noise", "blur", "weather", "digital"]
    title: str
    constants: tuple[float, float, float, float, float]
    random: bool = False
    """It draws numbers for each image."""


CORRUPTION_FACTS: dict[CorruptionName, CorruptionFacts] = {
    facts.name: facts
    for facts in (
        CorruptionFacts(
            "gaussian_noise",
            "noise",
            "normal noise of this deviation on every number",
            (0.04, 0.06, 0.08, 0.09, 0.10),
            random=True,
        ),
        CorruptionFacts(
            "impulse_noise",
            "noise",
            "salt and pepper: this share of all numbers set to 0 or 1, as often the one as the other",
            (0.01, 0.02, 0.03, 0.05, 0.07),
            random=True,
        ),
        CorruptionFacts(
            "gaussian_blur",
            "blur",
            "normal blur of this deviation in pixels; in proportion in images larger than 32",
            (0.4, 0.6, 0.7, 0.8, 1.0),
        ),
        CorruptionFacts(
            "fog",
            "weather",
            "clouds in octaves of noise, this bright, over a picture that is dimmed to make room",
            (0.2, 0.5, 0.75, 1.0, 1.5),
            random=True,
        ),
        CorruptionFacts(
            "brightness",
            "weather",
            "this much is added to the value of every pixel in hue, saturation and value",
            (0.05, 0.1, 0.15, 0.2, 0.3),
        ),
        CorruptionFacts(
            "contrast",
            "digital",
            "this part is kept of every number's distance from its channel's mean",
            (0.75, 0.5, 0.4, 0.3, 0.15),
        ),
        CorruptionFacts(
            "pixelate",
            "digital",
            "shrunk to this part of its width and height, and back, by boxes",
            (0.95, 0.9, 0.85, 0.75, 0.65),
        ),
        CorruptionFacts("jpeg", "digital", "JPEG at this quality", (80, 65, 58, 50, 40)),
    )
}


class CorruptionsSpec(DiagnosticSpec):
    """Accuracy under common corruptions: each of these, at each of these severities."""

    names: Annotated[tuple[CorruptionName, ...], ARRAY, Field(min_length=1, max_length=8)] = tuple(
        CORRUPTION_FACTS
    )
    severities: Annotated[
        tuple[Annotated[int, Field(ge=1, le=5)], ...], ARRAY, Field(min_length=1, max_length=5)
    ] = (1, 3, 5)

    @field_validator("names", "severities")
    @classmethod
    def _once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) != len(values):
            raise refusal("one is named twice", "each once")
        return values

    @property
    def columns(self) -> tuple[tuple[CorruptionName, int], ...]:
        """Every corruption with every severity, in order."""
        return tuple((name, severity) for name in self.names for severity in self.severities)
