"""The record that the fuzzed server starts with: jobs in different states, a sweep, events, a file, a key."""

from __future__ import annotations

import json

from api.sweep_submission import sweep_of
from cartl_core.events import ArtifactWritten, RuntimeResolved
from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest, Runtime
from jobs import store
from jobs.database.engine import make_engine, migrate, session_factory, transaction
from jobs.files.artifacts import output_directory, relative_path
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.store.rights.keys import make_key
from jobs.store.sweeps import submit_sweep

COST = {"seconds": 1.0, "disk_bytes": 1}
RUNTIME = Runtime(
    device="cpu",
    device_name="none",
    threads=1,
    precision="fp32",
    python="3.11",
    torch="2.13",
    torchvision="0.28",
    cartl="0",
    machine="x86_64",
)


def prepare(settings: Settings, *, with_key: bool) -> str:
    """Tables and rows for ``settings``; returns a key, which counts only where ``with_key`` is true."""
    engine = make_engine(settings)
    migrate(engine)
    factory = session_factory(engine)
    request = JobRequest.model_validate({"dataset": "digits", "freeze_depth": 2, "preset": "smoke"})
    with transaction(factory) as session:
        for _ in range(3):
            store.submit(session, request=request, spec=resolve(request), estimate=COST, owner="local")
        asked = {"base": {"dataset": "digits", "preset": "smoke"}, "grid": {"freeze_depth": [1, 2]}}
        sweep = sweep_of(json.dumps(asked).encode(), settings)
        submit_sweep(session, request=sweep.request, planned=sweep.planned, owner="local")
        claim = store.claim(session, worker_id="fuzz", lease_seconds=86_400)
        assert claim is not None
        store.record(session, claim, RuntimeResolved(runtime=RUNTIME))
        path = output_directory(settings, claim.job_id, claim.token) / "report.md"
        path.write_text("# Report\n", encoding="utf-8")
        written = ArtifactWritten(name="report.md", path="report.md", media_type="text/markdown")
        where = relative_path(settings, path)
        kept = artifact_store(settings).stat(where)
        store.record_artifact(session, claim, written, path=where, size=kept.size, sha256=kept.sha256)
        store.complete(session, claim)
        plain, row = make_key("fuzz", "fuzz", "operator")
        if with_key:
            session.add(row)
    engine.dispose()
    return plain
