"""What a run chose by itself, among what, and whether it kept its promise, as values of the report."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.report.comparisons import PairedComparison
from cartl_core.report.values import Interval, Value
from cartl_core.spec.arm import Method
from cartl_core.spec.measures.attack import AttackSpec

Verdict = Literal["kept", "unclear", "broken", "plain_itself", "not_measured"]


class Candidate(Value):
    """One candidate on the validation images; its settings are in the specification, at ``number`` - 1."""

    number: int = Field(ge=1, description="Place among the candidates of the specification, from 1.")
    method: Method
    freeze_depth: int
    k: int = Field(description="Blocks fine-tuned.")
    plain: bool = Field(description="It is plain transfer; not from a teacher of a larger radius.")
    settings: str | None = Field(
        default=None,
        description="Settings in which it differs from others of its method and depth; null of the only one.",
    )
    teacher_digest: str
    student_digest: str
    selected_epoch: int | None = Field(description="Null before it was trained.")
    epochs: int
    clean: Interval | None = Field(default=None, description="Validation images right without an attack.")
    robust: Interval | None = Field(
        default=None, description="Validation images that the attack did not fool."
    )
    within_margin: bool | None = Field(
        default=None, description="Clean accuracy within the margin of the cleanest candidate's."
    )
    leads: bool | None = Field(
        default=None,
        description="It holds more images than the best plain candidate beyond chance; null for plain ones.",
    )
    on_front: bool | None = Field(
        default=None, description="No other is as good in both accuracies and better in one."
    )
    chosen: bool = False
    best_plain: bool = Field(
        default=False, description="What the same rule chooses among the plain candidates alone."
    )


class Promise(Value):
    """Never worse than plain transfer: the chosen candidate against the best plain one, on test images.

    ``kept``: the interval of the difference in robust accuracy reaches 0 or more, and clean accuracy is at
    most the margin less. ``broken``: one of the two intervals lies wholly on the wrong side. ``unclear``:
    clean accuracy is more than the margin less, though its interval reaches into the margin.
    """

    verdict: Verdict
    robust: PairedComparison | None = None
    clean: PairedComparison | None = None


class WiderMargin(Value):
    """A margin of clean accuracy that would take a more robust candidate than the job's own does."""

    margin: float = Field(description="As a fraction; from this one on.")
    number: int = Field(description="Of the candidate that it takes.")


class Selection(Value):
    """How `auto` was decided: on validation images alone."""

    margin: float = Field(description="Of clean accuracy, as a fraction.")
    lead: float = Field(
        description="Over the best plain candidate, in standard errors of the paired difference."
    )
    attack: AttackSpec
    seed: int
    n: int = Field(
        description="Validation images, the same for every candidate; 0 before the first is measured."
    )
    candidates: tuple[Candidate, ...]
    chosen: int | None = Field(default=None, description="Number of the chosen candidate.")
    best_plain: int | None = Field(default=None, description="Number of the best plain candidate.")
    wider: tuple[WiderMargin, ...] = Field(
        default=(), description="What wider margins would take, each more robust than those before; rising."
    )
    promise: Promise | None = Field(default=None, description="Once both are measured on test images.")
