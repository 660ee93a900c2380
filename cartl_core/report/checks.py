"""Checks against self-deception, as the report shows them: would we notice if the figures were wrong?

After Carlini et al. 2019 (arXiv 1902.06705), Athalye et al. 2018 (arXiv 1802.00420), Tramer et al. 2020
(arXiv 2002.08347) and the checks of AutoAttack. ``docs/checks.md`` has thresholds and reasons.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.report.values import Interval, Value

CheckName = Literal[
    "gradients",
    "logits",
    "randomness",
    "input_range",
    "convergence",
    "rising_eps",
    "eps_one",
    "black_box",
    "masking",
]
CheckStatus = Literal["passed", "failed", "not_run"]

TITLES: dict[CheckName, str] = {
    "gradients": "Gradients reach the input",
    "logits": "Outputs are logits",
    "randomness": "The same input gives the same output",
    "input_range": "Inputs in [0, 1], all of it heard",
    "convergence": "More steps break no more images",
    "rising_eps": "Accuracy does not rise with the radius",
    "eps_one": "Nothing stands at eps = 1",
    "black_box": "No black box beats the white box",
    "masking": "Robustness is no masking of gradients",
}
"""In the order of a report: the network itself, the attacks' strength, then what other attacks say."""


class Check(Value):
    """One check: what was found, what it means, and what to do."""

    name: CheckName
    title: str
    status: CheckStatus
    evidence: dict[str, float | int | str] = Field(
        default_factory=dict, description="The numbers behind the status; shares are fractions in [0, 1]."
    )
    words: str = Field(description="What it means; for `not_run`, why it was not.")
    advice: str | None = Field(
        default=None, description="What to do about a check that failed or was not run."
    )


class CheckAttack(Value):
    """An attack that the checks made on the images that they looked at."""

    label: str
    name: str
    norm: str
    loss: str
    eps: float
    step: float | None
    steps: int
    restarts: int
    seed: int
    n: int
    robust: Interval = Field(description="Right without an attack and never fooled by this one.")


class Band(Value):
    """A part of the input's range that images were squeezed into."""

    low: float
    high: float
    images: int
    deaf: int = Field(description="Where a tiny change of every pixel changed no bit of the output.")


class Checked(Value):
    """What the checks saw of one network, on some of its test images; ``Check`` says what it means."""

    n: int = Field(ge=1)
    right: int = Field(description="Right without an attack; the next two are counted among them.")
    vanished: int = Field(description="No usable gradient of the cross-entropy where attacks start.")
    flat: int = Field(description="No gradient of the margin either.")
    probable: int = Field(description="Outputs that look like probabilities.")
    lowest_output: float
    highest_output: float
    differing: int = Field(description="Another output in a second pass.")
    redecided: int = Field(description="Another class in a second pass.")
    largest_difference: float = Field(description="Of two passes, as a share of the largest output.")
    lowest_pixel: float
    highest_pixel: float
    normalises_first: bool
    bands: tuple[Band, ...]
    attacks: tuple[CheckAttack, ...]
