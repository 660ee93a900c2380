"""The robustness report as the API answers it: the stored values, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import Field

from api.schemas import View
from cartl_core.render import sentences
from cartl_core.report import AttackResult, Interval, Report
from jobs.store.measurements import StoredReport


class ReportText(View):
    """The report's main sentences, made for this answer; no stored report has them."""

    headline: str | None = Field(description="Robustness kept, in one sentence; null before it is known.")
    warnings: list[str] = Field(
        description="What to know before believing the figures: a promise that was not kept, checks that "
        "failed, then `warnings` of the report."
    )


class Measurement(View):
    """What one job measured of a network, as a row of the network's life."""

    job_id: str
    at: datetime = Field(description="When the job ended.")
    clean: Interval
    attacks: tuple[AttackResult, ...]
    worst_case: Interval | None = Field(description="Over this row's attacks alone.")
    at_most: float | None = Field(
        description="The lowest worst case of this row and those before it on the same images: robust "
        "accuracy against all of their attacks is no higher."
    )


class RobustnessReport(Report):
    """The robustness report of one job, with its main sentences and the life of its network."""

    text: ReportText
    measurements: tuple[Measurement, ...] = Field(
        default=(),
        description="Of a complete report: every measurement of the same network by its owner's jobs, oldest "
        "first; linked by the SHA-256 of its file.",
    )

    @classmethod
    def of(cls, report: Report, measurements: Sequence[Measurement] = ()) -> Self:
        """``report`` with its sentences."""
        text = ReportText(headline=sentences.headline(report), warnings=list(sentences.read_first(report)))
        return cls.model_validate({**dict(report), "text": text, "measurements": tuple(measurements)})


def rows_of(measured: Sequence[tuple[StoredReport, Report]]) -> list[Measurement]:
    """A row for each job that has measured the student, oldest first."""
    rows: list[Measurement] = []
    lowest: dict[tuple[str, int], float] = {}
    for stored, report in sorted(measured, key=_ended):
        if report.student is None or report.student.figures is None:
            continue
        figures = report.student.figures
        images = (figures.data_fingerprint, figures.n)
        if figures.worst_case is not None:
            lowest[images] = min(figures.worst_case.value, lowest.get(images, 1.0))
        rows.append(
            Measurement(
                job_id=stored.job_id,
                at=stored.finished_at,
                clean=figures.clean,
                attacks=figures.attacks,
                worst_case=figures.worst_case,
                at_most=lowest.get(images),
            )
        )
    return rows


def _ended(measured: tuple[StoredReport, Report]) -> tuple[datetime, str]:
    stored, _ = measured
    assert stored.finished_at is not None
    return stored.finished_at, stored.job_id
