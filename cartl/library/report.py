"""The robustness report of a job, as the client gives it: typed, with its sentences.

It is ``cartl_core.report.Report`` with what the API adds. A report of a newer service is read as far as this
version knows it: further fields are left out, notices without a class here become ``OtherNotice``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

from pydantic import Field, field_validator

from cartl.library.frames import frame
from cartl.library.html import report_html
from cartl.library.rows import FigureRow, rows_of
from cartl_core.report import AttackResult, Interval, Notice, Report
from cartl_core.report.values import Value

KNOWN = {kind.model_fields["code"].default for kind in get_args(get_args(Notice)[0])}
"""Codes of notices that have a class."""


class ReportText(Value):
    """The report's main sentences."""

    headline: str | None = None
    warnings: tuple[str, ...] = ()


class Measurement(Value):
    """What one job measured of the network: a row of the network's life."""

    job_id: str
    at: datetime = Field(description="When the job ended.")
    clean: Interval
    attacks: tuple[AttackResult, ...]
    worst_case: Interval | None = Field(default=None, description="Over this row's attacks alone.")
    at_most: float | None = Field(
        default=None, description="The lowest worst case of this row and those before it on the same images."
    )


class JobReport(Report):
    """The robustness report of one job; ``complete`` is false while the job is at work.

    >>> report = handle.report()                                         # doctest: +SKIP
    >>> report.headline, report.student.figures.worst_case.value         # doctest: +SKIP
    """

    job_id: str
    text: ReportText = Field(default_factory=ReportText)
    measurements: tuple[Measurement, ...] = Field(
        default=(),
        description="Of a complete report of a job of yours: every measurement of its network, oldest first.",
    )

    @field_validator("warnings", mode="before")
    @classmethod
    def _with_a_class(cls, found: Any) -> Any:
        return _known_ones(found)

    @field_validator("further", mode="before")
    @classmethod
    def _likewise(cls, found: Any) -> Any:
        if not isinstance(found, list | tuple):
            return found
        return [
            {**one, "warnings": _known_ones(one.get("warnings", ()))} if isinstance(one, dict) else one
            for one in found
        ]

    @property
    def headline(self) -> str | None:
        """Robustness kept, in one sentence; None before it is known."""
        return self.text.headline

    @property
    def rows(self) -> tuple[FigureRow, ...]:
        """The student, then the baselines, with clean and robust accuracy."""
        return rows_of(self, self.job_id)

    def to_pandas(self) -> Any:
        """``rows`` as a ``pandas.DataFrame``.

        Raises:
            NotInstalled: pandas is missing.
        """
        return frame([row.record() for row in self.rows])

    def _repr_html_(self) -> str:
        return report_html(self.headline, self.text.warnings, self.rows, complete=self.complete)


def _known_ones(notices: Any) -> Any:
    return [_known(one) for one in notices] if isinstance(notices, list | tuple) else notices


def _known(notice: Any) -> Any:
    """``notice``, or one of no kind where this version does not know its kind."""
    code = notice.get("code") if isinstance(notice, dict) else None
    if not isinstance(code, str) or code in KNOWN:
        return notice
    return {"code": "other", "text": code.replace("_", " ")}
