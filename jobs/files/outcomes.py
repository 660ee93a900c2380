"""Which test images a network got right, as its run wrote it, for comparing two jobs."""

from __future__ import annotations

from cartl_core.analysis.paired_outcomes import Outcomes, parse_outcomes
from jobs.errors import ArtifactDamaged


def read_outcomes(name: str, content: bytes) -> Outcomes:
    """The outcomes in the file ``name`` that was proven to be as it was written.

    Raises:
        ArtifactDamaged: it is no such file.
    """
    try:
        return parse_outcomes(content)
    except ValueError as error:
        raise ArtifactDamaged(f"{name} cannot be read: {error}") from error
