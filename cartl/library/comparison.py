"""Several jobs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cartl.library.frames import frame
from cartl.library.html import comparison_html
from cartl.library.job_handle import JobHandle
from cartl.library.report import JobReport
from cartl.library.rows import FigureRow

SAME = "All were measured on the same test images."
OTHER = "Not all were measured on the same test images: do not read a difference as one between methods."


@dataclass(frozen=True)
class Comparison:
    """The students of several jobs. A notebook shows it as a table.

    Attributes:
        rows: one for each job, in the order in which they were given.
    """

    rows: tuple[FigureRow, ...]

    @property
    def same_images(self) -> bool:
        """Whether all were measured on the same test images."""
        return len({row.images for row in self.rows if row.images}) <= 1

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with a row for each job: fractions with the ends of their intervals.

        Raises:
            NotInstalled: pandas is missing.
        """
        return frame([row.record() for row in self.rows])

    def _repr_html_(self) -> str:
        alone = len(self.rows) < 2
        return comparison_html(self.rows, "" if alone else SAME if self.same_images else OTHER)


def compare(found: Sequence[JobHandle | JobReport]) -> Comparison:
    """The students of several jobs side by side; of jobs whose reports are not there yet, nothing.

    Args:
        found: handles, whose reports are fetched, or reports. Of an ``AsyncClient`` give reports:
            ``compare([await job.report() for job in jobs])``.

    >>> compare([first, second]).rows[0].robust.value                    # doctest: +SKIP
    0.42
    """
    reports = [one.report() if isinstance(one, JobHandle) else one for one in found]
    return Comparison(tuple(row for report in reports for row in report.rows[: bool(report.student)]))
