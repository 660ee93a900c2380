"""Jobs side by side: their figures, and differences image by image where the test images are the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cartl.http.problems import NotUsable, ServiceError
from cartl.library.comparison import Comparison, compare
from cartl.library.job_handle import JobHandle
from cartl.library.report import JobReport
from cartl.library.sync_client import Client
from cartl_core.analysis.paired_outcomes import STUDENT, Difference, Outcomes, differences, parse_outcomes


@dataclass(frozen=True)
class Against:
    """A job minus the first one.

    Attributes:
        job: its id.
        found: without an attack, and in the worst case; none where ``why`` says why.
        why: empty where there are differences.
    """

    job: str
    found: tuple[Difference, ...]
    why: str = ""


@dataclass(frozen=True)
class SideBySide:
    """Jobs in the order in which they were named, the others against the first."""

    comparison: Comparison
    against: tuple[Against, ...]

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "same_images": self.comparison.same_images,
            "jobs": [row.record() for row in self.comparison.rows],
            "against_first": [
                {"job": one.job, "differences": [asdict(found) for found in one.found], "why_none": one.why}
                for one in self.against
            ],
        }


def side_by_side(client: Client, jobs: list[str]) -> SideBySide:
    """Reports and outcomes of the jobs.

    Raises:
        ClientError: nobody answered, or one of them cannot be read.
    """
    handles = [client.job(job) for job in dict.fromkeys(jobs)]
    reports = [handle.report() for handle in handles]
    first, others = handles[0], zip(handles[1:], reports[1:], strict=True)
    outcomes = _outcomes(first) if len(handles) > 1 else None
    against = tuple(_against(handle, report, reports[0], outcomes) for handle, report in others)
    return SideBySide(compare(reports), against)


def _against(handle: JobHandle, report: JobReport, first: JobReport, outcomes: Outcomes | None) -> Against:
    if _images(report) is None or _images(first) is None:
        return Against(handle.id, (), "one of them was not measured yet")
    if _images(report) != _images(first):
        return Against(handle.id, (), "their test images differ")
    own = _outcomes(handle)
    if own is None or outcomes is None:
        return Against(handle.id, (), "one of them has no file of its outcomes")
    found = differences(own, outcomes)
    return Against(handle.id, found, "" if found else "their test images differ")


def _images(report: JobReport) -> str | None:
    """The fingerprint of the student's test images."""
    rows = report.rows[: bool(report.student)]
    return (rows[0].images or None) if rows else None


def _outcomes(handle: JobHandle) -> Outcomes | None:
    """What its run wrote; None where there is no such file.

    Raises:
        NotUsable: it holds something else.
    """
    with TemporaryDirectory(prefix="cartl-") as folder:
        try:
            (file,) = handle.download(STUDENT, to=folder)
        except NotUsable:
            return None
        except ServiceError as error:
            if error.status == 404:
                return None
            raise
        try:
            return parse_outcomes(Path(file).read_bytes())
        except ValueError as error:
            raise NotUsable(f"{STUDENT} of job {handle.id}: {error}") from error
