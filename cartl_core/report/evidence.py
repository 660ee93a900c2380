"""The evidence block as values of the report: what was tested, how, on what, within what limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.report.values import Value

Framework = Literal["NIST AI RMF 1.0", "EU AI Act, Regulation (EU) 2024/1689"]

STATEMENT = (
    "Evidence, not a verdict: this block says what was measured and how. It does not say that a system "
    "conforms to any law, standard or framework, nor that its risks are acceptable. Who may rely on it, for "
    "which intended purpose, has to be judged by people who know that purpose."
)


class Reference(Value):
    """A place in a framework that a piece of evidence is about."""

    framework: Framework
    clause: str
    about: str = Field(description="What the clause is about, in our own words.")


class Measured(Value):
    """A figure of the report with its interval."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    n: int | None = None
    unit: Literal["fraction", "ratio", "pixel units", "count", "norm"] = "fraction"


class EvidenceItem(Value):
    """One thing that was tested."""

    id: str
    title: str
    references: tuple[Reference, ...]
    basis: Literal["empirical", "proven", "documented"] = Field(
        description="Measured on images, proven for all inputs, or a record of how something was made."
    )
    what: str = Field(description="What was tested.")
    how: str = Field(description="By which method, with all its settings.")
    on: str = Field(description="On what: images and their number, or the network itself.")
    measured: tuple[Measured, ...] = ()
    found: str = Field(default="", description="The result in words.")
    limits: tuple[str, ...] = Field(min_length=1, description="What it does not show.")
    where: tuple[str, ...] = Field(description="JSON pointers (RFC 6901) into the report.")


class Gap(Value):
    """Something that the frameworks ask about and that this report says nothing of."""

    subject: str
    references: tuple[Reference, ...]
    words: str


class Subject(Value):
    """What the evidence is of: one network, made in one way."""

    method: str
    network: str
    student_digest: str | None = Field(description="Of all that determines the network that was measured.")
    teacher_digest: str | None
    spec_digest: str
    source: str | None
    target: str
    target_fingerprint: str | None = Field(description="SHA-256 of all images used of the target.")
    seed: int
    versions: dict[str, str] = Field(default_factory=dict)


class Evidence(Value):
    """All evidence of one report."""

    schema_version: int = 1
    statement: str = STATEMENT
    subject: Subject
    items: tuple[EvidenceItem, ...]
    gaps: tuple[Gap, ...]
