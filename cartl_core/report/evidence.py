"""The evidence block as values of the report: what was measured, where, and for which clauses.

``cartl_core.render.evidence`` makes the text of it that auditors read.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.report.values import Value

Basis = Literal["empirical", "proven", "documented"]
Unit = Literal["fraction", "ratio", "pixel units", "count", "norm"]

ItemId = Literal[
    "accuracy",
    "adversarial_examples",
    "rising_radii",
    "common_corruptions",
    "evaluation_checks",
    "lipschitz_bounds",
    "randomised_smoothing",
    "robustness_kept",
    "record",
]
GapId = Literal["poisoning", "confidentiality", "other_perturbations", "system", "lifecycle"]
Quantity = Literal[
    "accuracy",
    "class_accuracy",
    "worst_case",
    "robust_accuracy",
    "class_worst_case",
    "expected_robustness",
    "median_distance",
    "mean_over_corruptions",
    "accuracy_under_corruption",
    "checks_passed",
    "checks_failed",
    "checks_not_run",
    "tail_constant",
    "network_constant",
    "certified_accuracy",
    "robustness_ratio",
]


class Reference(Value):
    """A place in a framework that a piece of evidence is about."""

    framework: str = Field(min_length=1, max_length=100, description="As `frameworks.toml` names it.")
    clause: str = Field(min_length=1, max_length=100)


class Measured(Value):
    """A figure of the report with its interval."""

    quantity: Quantity
    of: str | None = Field(default=None, description="The class, attack or corruption that it is of.")
    at: float | None = Field(default=None, description="The radius in pixel units, or the severity.")
    value: float
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    n: int | None = None
    unit: Unit = "fraction"


class EvidenceItem(Value):
    """One thing that was tested."""

    id: ItemId
    references: tuple[Reference, ...]
    basis: Basis = Field(
        description="Measured on images, proven for all inputs, or a record of how something was made."
    )
    measured: tuple[Measured, ...] = ()
    where: tuple[str, ...] = Field(description="JSON pointers (RFC 6901) into the report.")


class Gap(Value):
    """Something that the frameworks ask about and that this report says nothing of."""

    id: GapId
    references: tuple[Reference, ...]


class Subject(Value):
    """What the evidence is of: one network, made in one way."""

    student_digest: str | None = Field(description="Of all that determines the network that was measured.")
    teacher_digest: str | None
    spec_digest: str
    target_fingerprint: str | None = Field(description="SHA-256 of all images used of the target.")
    seed: int
    versions: dict[str, str] = Field(default_factory=dict)


class Evidence(Value):
    """All evidence of one report."""

    subject: Subject
    items: tuple[EvidenceItem, ...]
    gaps: tuple[Gap, ...]
