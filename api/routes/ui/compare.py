"""Jobs side by side: figures, curves, and differences where the test images are the same."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from api.routes.results import report_of
from api.routes.ui.visit import Visit, VisitDep
from api.web.charts import Line, band_of, frame_of_lines, path_of
from cartl_core.analysis.paired_outcomes import STUDENT, Difference, Outcomes, differences
from cartl_core.report import Interval, Report
from cartl_core.report.report import Figures
from jobs import store
from jobs.errors import ArtifactDamaged, ArtifactNotFound, JobNotFound
from jobs.files.outcomes import read_outcomes
from jobs.files.proven import proven_file
from jobs.tables import Job

router = APIRouter(include_in_schema=False)

MOST = 12
CSV_HEAD = (
    *("job", "name", "method", "freeze_depth", "dataset", "n", "clean", "clean_low", "clean_high"),
    *("robust", "robust_low", "robust_high", "mean_over_radii"),
)

Chosen = Annotated[list[str], Query(alias="job", max_length=MOST)]


@dataclass(frozen=True)
class Compared:
    """One job's figures; None where they are not known yet."""

    job: Job
    name: str
    report: Report

    @property
    def clean(self) -> Interval | None:
        """Accuracy without an attack."""
        return self._figures.clean if self._figures else None

    @property
    def robust(self) -> Interval | None:
        """The worst case."""
        return self._figures.worst_case if self._figures else None

    @property
    def n(self) -> int | None:
        """Test images."""
        return self._figures.n if self._figures else None

    @property
    def mean_robustness(self) -> float | None:
        """Robust accuracy averaged over the radii of the curve."""
        curve = self._figures.curve if self._figures else None
        return curve.expected_robustness.value if curve else None

    @property
    def line(self) -> Line | None:
        """The curve over radii."""
        curve = self._figures.curve if self._figures else None
        if curve is None:
            return None
        points = ((one.eps, one.robust.value, one.robust.low, one.robust.high) for one in curve.points)
        return Line(self.name, tuple(points))

    @property
    def _figures(self) -> Figures | None:
        return self.report.student.figures if self.report.student else None


def _compared(session: Session, visit: Visit, chosen: list[str]) -> list[Compared]:
    """Those that there are; what others own does not exist."""
    found = []
    for job_id in dict.fromkeys(chosen):
        try:
            job = store.find(session, job_id, visit.caller.owner)
        except JobNotFound:
            continue
        found.append(Compared(job, job.name or job.id[:12], report_of(job)))
    return found


def _outcomes(session: Session, visit: Visit, job: Job) -> Outcomes | None:
    try:
        row = store.artifact(session, job.id, STUDENT)
        return read_outcomes(row.name, proven_file(visit.context.settings, row).read_bytes())
    except (ArtifactNotFound, ArtifactDamaged):
        return None


def _against_first(
    session: Session, visit: Visit, found: list[Compared]
) -> list[tuple[str, tuple[Difference, ...]]]:
    """Each other job minus the first; nothing where their test images differ."""
    first = _outcomes(session, visit, found[0].job) if len(found) > 1 else None
    if first is None:
        return []
    pairs = []
    for other in found[1:]:
        same = _test_images(other.job) == _test_images(found[0].job)
        second = _outcomes(session, visit, other.job) if same else None
        pairs.append((other.name, differences(second, first) if second else ()))
    return pairs


def _test_images(job: Job) -> dict[str, Any]:
    """What says which test images there are; which of them were measured is in the outcomes."""
    data: dict[str, Any] = job.spec["dataset"]
    return {name: data.get(name) for name in ("name", "fingerprint", "classes")}


@router.get("/ui/compare")
def compare(visit: VisitDep, chosen: Chosen = []) -> Response:  # noqa: B006 - the framework copies it
    """At most a dozen jobs; the first is what the others are compared with."""
    with visit.reading() as session:
        found = _compared(session, visit, chosen)
        against = _against_first(session, visit, found)
    lines = [one.line for one in found if one.line is not None]
    frame = frame_of_lines(lines)
    return visit.page(
        "compare.html",
        title="Compare jobs",
        here="/ui/jobs",
        compared=found,
        against=against,
        frame=frame,
        curves=[(line.label, path_of(line, frame), band_of(line, frame), line.points) for line in lines],
        csv=f"/ui/compare.csv?{urlencode({'job': [one.job.id for one in found]}, doseq=True)}",
    )


@router.get("/ui/compare.csv")
def compare_csv(visit: VisitDep, chosen: Chosen = []) -> Response:  # noqa: B006 - the framework copies it
    """The table as CSV."""
    with visit.reading() as session:
        found = _compared(session, visit, chosen)
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(CSV_HEAD)
    for one in found:
        depth = "" if one.job.freeze_depth is None else one.job.freeze_depth
        figures = [value for figure in (one.clean, one.robust) for value in _numbers(figure)]
        mean = "" if one.mean_robustness is None else one.mean_robustness
        rows.writerow(
            [one.job.id, _cell(one.name), one.job.method, depth, one.job.dataset, one.n or "", *figures, mean]
        )
    headers = {"Content-Disposition": 'attachment; filename="compare.csv"', "Cache-Control": "no-store"}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _numbers(figure: Interval | None) -> tuple[object, object, object]:
    return ("", "", "") if figure is None else (figure.value, figure.low, figure.high)


def _cell(text: str) -> str:
    """A name that a spreadsheet takes for text, whatever it begins with."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
