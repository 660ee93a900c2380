"""The evidence block as auditors read it: the content of ``evidence.json``."""

from __future__ import annotations

from pydantic import Field

from cartl_core.render import frameworks, phrases
from cartl_core.render.evidence_texts import item_text, quantity
from cartl_core.report import Report
from cartl_core.report.evidence import Basis, Evidence, EvidenceItem, Gap, ItemId, Measured, Reference, Unit
from cartl_core.report.frameworks import TABLE, about
from cartl_core.report.values import Value
from cartl_core.spec import JobSpec


class ReferenceText(Reference):
    """A place in a framework, and what it is about in our own words."""

    about: str


class FigureText(Value):
    """A figure of the report with its interval."""

    name: str
    value: float
    low: float | None
    high: float | None
    confidence: float | None
    n: int | None
    unit: Unit


class ItemDocument(Value):
    """One thing that was tested."""

    id: ItemId
    title: str
    references: tuple[ReferenceText, ...]
    basis: Basis
    what: str = Field(description="What was tested.")
    how: str = Field(description="By which method, with all its settings.")
    on: str = Field(description="On what: images and their number, or the network itself.")
    measured: tuple[FigureText, ...]
    found: str = Field(description="The result in words.")
    limits: tuple[str, ...] = Field(min_length=1, description="What it does not show.")
    where: tuple[str, ...] = Field(description="JSON pointers (RFC 6901) into the report.")


class GapDocument(Value):
    """Something that the frameworks ask about and that the report says nothing of."""

    subject: str
    references: tuple[ReferenceText, ...]
    words: str


class SubjectDocument(Value):
    """What the evidence is of: one network, made in one way."""

    method: str
    network: str
    student_digest: str | None
    teacher_digest: str | None
    spec_digest: str
    source: str | None
    target: str
    target_fingerprint: str | None
    seed: int
    versions: dict[str, str]


class EvidenceDocument(Value):
    """All evidence of one report, with the text that goes with it."""

    schema_version: int = 1
    statement: str = frameworks.STATEMENT
    subject: SubjectDocument
    items: tuple[ItemDocument, ...]
    gaps: tuple[GapDocument, ...]


def document(report: Report) -> EvidenceDocument | None:
    """The evidence of a report as a document of its own; None of a report that has none."""
    block = report.evidence
    if block is None:
        return None
    return EvidenceDocument(
        subject=_subject(report, block),
        items=tuple(_item(item, report) for item in block.items),
        gaps=tuple(_gap(gap) for gap in block.gaps),
    )


def _subject(report: Report, block: Evidence) -> SubjectDocument:
    student, spec, subject = report.student, report.spec, block.subject
    if student is None:
        raise ValueError("evidence of a report without a student")
    return SubjectDocument(
        method=phrases.arm(student),
        network=f"{spec.model.name}, frozen: {phrases.frozen(student)}",
        student_digest=subject.student_digest,
        teacher_digest=subject.teacher_digest,
        spec_digest=subject.spec_digest,
        source=phrases.data(spec.source) if isinstance(spec, JobSpec) and spec.source else None,
        target=phrases.data(spec.dataset),
        target_fingerprint=subject.target_fingerprint,
        seed=subject.seed,
        versions=subject.versions,
    )


def _item(item: EvidenceItem, report: Report) -> ItemDocument:
    text = item_text(item.id, report)
    return ItemDocument(
        id=item.id,
        title=text.title,
        references=_references(item.references),
        basis=item.basis,
        what=text.what,
        how=text.how,
        on=text.on,
        measured=tuple(map(_figure, item.measured)),
        found=text.found,
        limits=text.limits,
        where=item.where,
    )


def _gap(gap: Gap) -> GapDocument:
    text = TABLE.gaps[gap.id]
    return GapDocument(subject=text.subject, references=_references(gap.references), words=text.words)


def _references(found: tuple[Reference, ...]) -> tuple[ReferenceText, ...]:
    return tuple(
        ReferenceText(framework=reference.framework, clause=reference.clause, about=about(reference))
        for reference in found
    )


def _figure(measured: Measured) -> FigureText:
    return FigureText(
        name=quantity(measured),
        value=measured.value,
        low=measured.low,
        high=measured.high,
        confidence=measured.confidence,
        n=measured.n,
        unit=measured.unit,
    )
