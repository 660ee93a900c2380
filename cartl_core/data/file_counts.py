"""What a report says of the files that lie beside a data set's images."""

from __future__ import annotations

from cartl_core.data.splits import Loaded
from cartl_core.report.notices import DataRole, FilesSkipped, SkippedFiles


def skipped_files(role: DataRole, data: Loaded) -> tuple[FilesSkipped, ...]:
    """A notice where files of ``data`` are not taken as its images; none where all are."""
    if data.files is None or not data.files.skipped:
        return ()
    skipped = tuple(SkippedFiles(reason=reason, count=count) for reason, count in data.files.skipped)
    return (FilesSkipped(role=role, data=data.name, taken=data.files.taken, skipped=skipped),)
