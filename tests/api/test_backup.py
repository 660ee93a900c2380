"""A backup of database and files as docs/how-to/operate.md says: taken beside work, all lost, restored."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.engine import make_engine, session_factory, transaction
from jobs.settings import Settings
from tests.api.conftest import Worker, local_client
from tests.factories import claim_if_any
from tests.fixtures.documents import ROOT, blocks_of

SECTION = re.compile(r"^## Back up and restore\n(.*?)^## ", re.MULTILINE | re.DOTALL)
PATIENCE_SECONDS = 60.0


def parts(folder: Path) -> tuple[list[list[str]], list[str]]:
    """The blocks that copy, and the one that restores; programs of this environment in both."""
    page = ROOT / "docs/how-to/operate.md"
    found = SECTION.search(page.read_text(encoding="utf-8"))
    assert found is not None
    blocks = [block for block in blocks_of(page) if block.text in found[1] and "docker" not in block.text]
    (folder / ".venv").symlink_to(sys.prefix)
    *copies, restore = (
        ["python", "-c", block.text] if block.language == "python" else ["bash", "-euc", block.text]
        for block in blocks
    )
    return copies, restore


def run(command: list[str], folder: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
    executable = sys.executable if command[0] == "python" else command[0]
    paths = {"PYTHONPATH": str(ROOT), "CARTL_DATA_DIR": str(folder / ".cartl")}
    done = subprocess.run(
        [executable, *command[1:]], cwd=folder, env=kept | paths, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_what_was_there_is_there_again_and_goes_on(
    settings: Settings, small: dict[str, Any], factory: sessionmaker[Session], tmp_path: Path
) -> None:
    folder = tmp_path / "host"
    folder.mkdir()
    settings.data_dir.rename(folder / ".cartl")
    there = Settings(data_dir=folder / ".cartl")
    engine = make_engine(there)
    worker = Worker(session_factory(engine), there)
    with local_client(there) as client:
        done, runs, waits = (client.post("/jobs", json=small | {"seed": n}).json()["id"] for n in range(3))
        claim = worker.claim()
        assert claim.job_id == done
        worker.write(claim, "report.md", b"# found", "text/markdown")
        worker.complete(claim)
        with transaction(worker.factory) as session:
            running = store.claim(session, worker_id="w2", lease_seconds=0.1)
        assert running is not None and running.job_id == runs
        copies, restore = parts(folder)
        for copy in copies:
            run(copy, folder)
        later = client.post("/jobs", json=small | {"seed": 9}).json()["id"]
    engine.dispose()
    run(restore, folder)
    engine = make_engine(there)
    factory = session_factory(engine)
    with local_client(there) as client:
        assert client.get(f"/jobs/{later}").status_code == 404
        assert client.get(f"/jobs/{done}").json()["state"] == "succeeded"
        assert client.get(f"/jobs/{done}/artifacts/report.md").content == b"# found"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while client.get(f"/jobs/{runs}").json()["state"] != "queued":
            with transaction(factory) as session:
                store.reap_expired(session)
            assert time.monotonic() < deadline
        claimed = [claim_if_any(factory, worker) for worker in ("w3", "w4")]
        assert [one and one.job_id for one in claimed] == [runs, waits]
        assert claimed[0] is not None and claimed[0].token > running.token
    engine.dispose()
