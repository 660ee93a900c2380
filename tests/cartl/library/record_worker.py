"""A worker without processes: what it would tell the record."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import ArtifactWritten
from jobs import store
from jobs.database.engine import transaction
from jobs.files.artifacts import output_directory, relative_path
from jobs.settings import Settings
from jobs.store import Claim
from tests.factories import claim_job
from tests.fixtures.reports import full_report, report_event


class Worker:
    """What a worker tells the record."""

    def __init__(self, factory: sessionmaker[Session], settings: Settings) -> None:
        self._factory = factory
        self._settings = settings

    def claim(self) -> Claim:
        return claim_job(self._factory)

    def report(self, claim: Claim) -> None:
        with transaction(self._factory) as session:
            store.record(session, claim, report_event(full_report()))

    def write(self, claim: Claim, name: str, content: bytes) -> Path:
        path = output_directory(self._settings, claim.job_id, claim.token) / name
        path.write_bytes(content)
        kept = relative_path(self._settings, path)
        event = ArtifactWritten(name=name, path=name, media_type="text/plain")
        sha256 = hashlib.sha256(content).hexdigest()
        with transaction(self._factory) as session:
            store.record_artifact(session, claim, event, path=kept, size=len(content), sha256=sha256)
        return path

    def complete(self, claim: Claim) -> None:
        with transaction(self._factory) as session:
            store.complete(session, claim)

    def fail(self, claim: Claim) -> None:
        with transaction(self._factory) as session:
            store.fail(session, claim, "out_of_memory", "it was too large")
