"""Artifacts in the record: counted once written, named within their directory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cartl_core.events import ArtifactWritten
from jobs import store
from jobs.errors import ArtifactNameRefused, ArtifactNotFound
from jobs.store import Claim
from jobs.tables import Job

Do = Callable[..., Any]


def test_an_artifact_counts_once_written_and_a_later_attempt_replaces_it(
    submit: Any, do: Do, claim: Callable[..., Claim]
) -> None:
    job_id = submit()
    told = ArtifactWritten(name="report.json", path="report.json", media_type="application/json")
    for token in (1, 2):
        mine = claim()
        do(
            store.record_artifact,
            mine,
            told,
            path=f"{job_id}/{token}/report.json",
            size=token,
            sha256="a" * 64,
        )
        do(store.requeue_after_crash, mine)
    (kept,) = do(store.artifacts_of, job_id)
    assert (kept.path, kept.size, kept.token) == (f"{job_id}/2/report.json", 2, 2)
    assert do(store.artifact, job_id, "report.json").sha256 == "a" * 64
    for missing in ("other", "a\x00b"):
        with pytest.raises(ArtifactNotFound):
            do(store.artifact, job_id, missing)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a\x00", "-rf", "a b", "a" * 201, "a\n"])
def test_an_artifacts_name_stays_in_its_directory(
    name: str, submit: Any, do: Do, claim: Callable[..., Claim], row: Callable[[str], Job]
) -> None:
    job_id = submit()
    mine = claim()
    told = ArtifactWritten(name=name, path="x", media_type="text/plain")
    with pytest.raises(ArtifactNameRefused):
        do(store.record_artifact, mine, told, path="x", size=1, sha256="a" * 64)
    assert row(job_id).event_count == 2
