"""Checks of the evaluation itself, as values of the report: would we notice if the figures were wrong?

After Carlini et al. 2019 (arXiv 1902.06705), Athalye et al. 2018 (arXiv 1802.00420), Tramer et al. 2020
(arXiv 2002.08347) and the checks of AutoAttack. ``docs/explanation/checks.md`` has thresholds and reasons.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from cartl_core.report.values import Interval, Value

CheckName = Literal[
    "finite_outputs",
    "gradients",
    "logits",
    "randomness",
    "input_range",
    "jumps",
    "inference",
    "convergence",
    "rising_eps",
    "eps_one",
    "black_box",
    "masking",
]
CheckStatus = Literal["passed", "failed", "not_run"]

NotAsked = Literal["not_asked"]
"""No checks of the network were asked for, or they are not finished."""
NothingToJudge = Literal["outputs_not_finite", "no_image_right"]
"""An output is not finite, or no image is classified correctly: of every check but the first."""
FiniteOutputsFinding = Literal["finite", "not_finite", "not_recorded"]
GradientsFinding = Literal["gradient_reaches_input", "cross_entropy_vanishes", "no_gradient"]
LogitsFinding = Literal["logits", "probabilities"]
RandomnessFinding = Literal["same_outputs", "outputs_differ"]
InputRangeFinding = Literal[
    "whole_range", "outside_unit_range", "narrow_range", "insensitive", "no_image_in_range"
]
JumpsFinding = Literal["gradients_tell", "jumps"]
InferenceFinding = Literal[
    "one_pass", "takes_gradients", "changes_itself", "runs_layers_again", "neighbours_matter"
]
ConvergenceFinding = Literal["converged", "not_converged", "no_pair"]
RisingEpsFinding = Literal["no_rise", "accuracy_rises", "too_few_images", "too_few_radii"]
EpsOneFinding = Literal["all_misclassified", "images_withstand"]
BlackBoxFinding = Literal["black_box_no_stronger", "black_box_stronger", "no_black_box"]
MaskingFinding = Literal["no_sign", "gradients_masked", "cross_entropy_masked", "no_other_attack"]
Finding = (
    NotAsked
    | NothingToJudge
    | FiniteOutputsFinding
    | GradientsFinding
    | LogitsFinding
    | RandomnessFinding
    | InputRangeFinding
    | JumpsFinding
    | InferenceFinding
    | ConvergenceFinding
    | RisingEpsFinding
    | EpsOneFinding
    | BlackBoxFinding
    | MaskingFinding
)

_FINDINGS: dict[CheckName, dict[Finding, CheckStatus]] = {
    "finite_outputs": {"finite": "passed", "not_finite": "failed", "not_recorded": "not_run"},
    "gradients": {
        "gradient_reaches_input": "passed",
        "cross_entropy_vanishes": "failed",
        "no_gradient": "failed",
        "not_asked": "not_run",
    },
    "logits": {"logits": "passed", "probabilities": "failed", "not_asked": "not_run"},
    "randomness": {"same_outputs": "passed", "outputs_differ": "failed", "not_asked": "not_run"},
    "input_range": {
        "whole_range": "passed",
        "outside_unit_range": "failed",
        "narrow_range": "failed",
        "insensitive": "failed",
        "no_image_in_range": "not_run",
        "not_asked": "not_run",
    },
    "jumps": {"gradients_tell": "passed", "jumps": "failed", "not_asked": "not_run"},
    "inference": {
        "one_pass": "passed",
        "takes_gradients": "failed",
        "changes_itself": "failed",
        "runs_layers_again": "failed",
        "neighbours_matter": "failed",
        "not_asked": "not_run",
    },
    "convergence": {
        "converged": "passed",
        "not_converged": "failed",
        "no_pair": "not_run",
    },
    "rising_eps": {
        "no_rise": "passed",
        "accuracy_rises": "failed",
        "too_few_images": "not_run",
        "too_few_radii": "not_run",
        "not_asked": "not_run",
    },
    "eps_one": {
        "all_misclassified": "passed",
        "images_withstand": "failed",
        "not_asked": "not_run",
    },
    "black_box": {
        "black_box_no_stronger": "passed",
        "black_box_stronger": "failed",
        "no_black_box": "not_run",
    },
    "masking": {
        "no_sign": "passed",
        "gradients_masked": "failed",
        "cross_entropy_masked": "failed",
        "no_other_attack": "not_run",
    },
}
_NOTHING_TO_JUDGE: dict[Finding, CheckStatus] = {"outputs_not_finite": "not_run", "no_image_right": "not_run"}
FINDINGS: dict[CheckName, dict[Finding, CheckStatus]] = {
    name: outcomes if name == "finite_outputs" else {**outcomes, **_NOTHING_TO_JUDGE}
    for name, outcomes in _FINDINGS.items()
}
"""All outcomes of each check and what each one counts as.

In the order of a report: the network itself, the attacks' strength, then what other attacks say.
"""

Numbers = dict[str, float | int | str]


class Check(Value):
    """One check: which of its outcomes it had, and the numbers behind it.

    ``cartl_core.render.checks.sentences`` says what it means and what to do.
    """

    name: CheckName
    status: CheckStatus
    finding: Finding = Field(description="Which outcome of this check; of `not_run`, the reason.")
    evidence: Numbers = Field(
        default_factory=dict, description="The numbers behind the status; shares are fractions in [0, 1]."
    )
    details: Numbers = Field(
        default_factory=dict,
        description="What else its sentence names: labels of attacks, counts and radii.",
    )

    @model_validator(mode="after")
    def _is_an_outcome_of_this_check(self) -> Self:
        if FINDINGS[self.name].get(self.finding) != self.status:
            raise ValueError(f"{self.finding} with status {self.status} is no outcome of {self.name}")
        return self


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
    samples: int = Field(default=1, description="Passes that each step took the mean of.")
    seed: int
    n: int
    robust: Interval = Field(description="Right without an attack and never fooled by this one.")


class Band(Value):
    """A part of the input's range that images were squeezed into."""

    low: float
    high: float
    images: int
    deaf: int = Field(description="Where a tiny change of every pixel changed no bit of the output.")


class Inference(Value):
    """What the network did while it answered."""

    takes_gradients: bool
    changes_itself: bool
    layer_runs: int = Field(description="The most times that a layer with weights ran for one answer.")
    neighbours: int = Field(description="Images with another output beside other images.")


class Checked(Value):
    """What the checks saw of one network, on some of its test images; ``Check`` is the outcome."""

    n: int = Field(ge=1)
    right: int = Field(description="Right without an attack; the next two are counted among them.")
    vanished: int = Field(description="No usable gradient of the cross-entropy where attacks start.")
    flat: int = Field(description="No gradient of the margin either.")
    probable: int = Field(description="Outputs that look like probabilities.")
    not_finite: int = Field(ge=0, description="Images with an output that is infinite or not a number.")
    lowest_output: float | None = Field(description="Of all finite outputs; null where there is none.")
    highest_output: float | None = Field(description="Likewise.")
    differing: int = Field(description="Another output in a second pass.")
    redecided: int = Field(description="Another class in a second pass.")
    largest_difference: float | None = Field(
        description="Of two passes, as a share of the largest output; null where no output is finite."
    )
    lowest_pixel: float
    highest_pixel: float
    normalises_first: bool
    bands: tuple[Band, ...]
    jumping: int | None = Field(
        default=None,
        description="Right images near which the margin changes by more than gradients tell; null where "
        "nobody looked.",
    )
    unexplained: float | None = Field(
        default=None,
        description="Of the margin's changes there, the share that gradients do not tell; median.",
    )
    inference: Inference | None = Field(default=None, description="Null where nobody looked.")
    attacks: tuple[CheckAttack, ...]
