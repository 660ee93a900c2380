"""Who computed a stage: a small file beside its result, in words of this run and no other.

It is information for people. Nothing that is computed depends on it, so it is not among the files that the
result vouches for; one that is missing or damaged is an unknown origin.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cartl_core.report.making import MadeBy, StageOrigin
from cartl_core.storage.atomic_write import write_whole
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.strict_json import SMALL, read_file

ORIGIN = "origin.json"


def write_origin(directory: Path, run_id: str, seconds: float, commit: str | None) -> None:
    """Note that the run ``run_id`` computed the stage in ``seconds`` of wall time, over all its attempts.

    Args:
        commit: of the code that finished it; None where it is not known.

    Raises:
        DiskFull: no space is left.
    """
    content = json.dumps({"run": _mark(run_id), "seconds": seconds, "commit": commit}).encode()
    with disk_faults("a stage's origin"):
        write_whole(directory / ORIGIN, content)


def read_origin(directory: Path, run_id: str) -> StageOrigin:
    """Who computed the finished stage in ``directory``, as seen by a later attempt of ``run_id``."""
    try:
        content: Any = read_file(directory / ORIGIN, SMALL)
        made_by: MadeBy = "earlier_attempt" if content["run"] == _mark(run_id) else "another_job"
        seconds, commit = float(content["seconds"]), content.get("commit")
        return StageOrigin(made_by=made_by, seconds=seconds, commit=commit)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return StageOrigin(made_by="unknown", seconds=None)


def _mark(run_id: str) -> str:
    """Tells runs apart without naming them: stages are shared."""
    return hashlib.sha256(run_id.encode()).hexdigest()
