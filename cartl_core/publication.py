"""The end of a run: the complete report and the files for the person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cartl_core.book import Book
from cartl_core.data import Split
from cartl_core.events import Reporter, ReportUpdated
from cartl_core.outputs import write_gallery, write_outcomes, write_report, write_student
from cartl_core.plots import Pixels
from cartl_core.report import Report
from cartl_core.spec import GallerySpec
from cartl_core.stages import NETWORK
from cartl_core.stages.probe import read_rows


def publish(out: Path, book: Book, directories: Mapping[str, Path], test: Split, report: Reporter) -> Report:
    """Write everything below ``out`` and tell of it.

    Args:
        book: of a run whose stages are all done.
        directories: of the stages, by digest.
        test: the target's test images that networks were measured on.
    """
    final = book.report(complete=True)
    plan = book.plan
    if plan.students:
        write_student(out, directories[plan.students[0].key.digest] / NETWORK, report)
    for student in plan.measured:
        clean = book.clean(student.measurements)
        assert clean is not None
        attacks = book.attacks(student.measurements)
        probed = {
            own.name: read_rows(directories[own.key.digest])
            for own in student.probings
            if not isinstance(own.asked, GallerySpec)
        }
        write_outcomes(out, student.subject, test, clean, attacks, probed, report)
    write_report(out, final, _worst_images(out, final, book, directories, report), report)
    report(ReportUpdated(report=final))
    return final


def _worst_images(
    out: Path, final: Report, book: Book, directories: Mapping[str, Path], report: Reporter
) -> Pixels | None:
    """The pictures of the job's own student, written beside the report."""
    gallery = final.student.figures.gallery if final.student and final.student.figures else None
    if gallery is None:
        return None
    (probing,) = (own for own in book.plan.measured[0].probings if isinstance(own.asked, GallerySpec))
    return write_gallery(out, gallery, read_rows(directories[probing.key.digest]), report)
