"""Which test images a network got right, as its run wrote it, for comparing two jobs."""

from __future__ import annotations

from pathlib import Path

from cartl_core.analysis.paired_outcomes import Outcomes, parse_outcomes
from jobs.errors import ArtifactDamaged


def read_outcomes(path: Path) -> Outcomes:
    """The outcomes in a file that was proven to be as it was written.

    Raises:
        ArtifactDamaged: it is no such file.
    """
    try:
        return parse_outcomes(path.read_bytes())
    except ValueError as error:
        raise ArtifactDamaged(f"{path.name} cannot be read: {error}") from error
