"""The robustness report as the API answers it: the stored values, and what they say."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from api.schemas import View
from cartl_core.render import sentences
from cartl_core.report import Report


class ReportText(View):
    """The report's main sentences, made for this answer; no stored report has them."""

    headline: str | None = Field(description="Robustness kept, in one sentence; null before it is known.")
    warnings: list[str] = Field(
        description="What to know before believing the figures: a promise that was not kept, checks that "
        "failed, then `warnings` of the report."
    )


class RobustnessReport(Report):
    """The robustness report of one job, with its main sentences."""

    text: ReportText

    @classmethod
    def of(cls, report: Report) -> Self:
        """``report`` with its sentences."""
        text = ReportText(headline=sentences.headline(report), warnings=list(sentences.read_first(report)))
        return cls.model_validate({**dict(report), "text": text})
