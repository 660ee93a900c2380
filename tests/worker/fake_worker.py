"""A real worker, Celery and all, whose jobs are played by fake_child.py, and whose tasks by fake_check.py.

A job's name has the scenarios of its first claims, one after the other; later ones succeed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jobs import logs
from jobs.files.artifacts import output_directory
from jobs.settings import Settings
from jobs.store import Claim
from tests.worker.fake_task_slot import register
from worker.__main__ import arguments
from worker.app import make_app
from worker.host.identity import identity_of
from worker.supervision.child_command import Launch, environment

FAKE_CHILD = Path(__file__).with_name("fake_child.py")
FAKE_TASK_SLOT = (sys.executable, "-m", "tests.worker.fake_task_slot")


def prepare(settings: Settings, claim: Claim) -> Launch:
    out = output_directory(settings, claim.job_id, claim.token)
    played = dict(enumerate((claim.spec.name or "").split(), start=1))
    scenario = played.get(claim.token, "succeed")
    return Launch(
        command=(sys.executable, str(FAKE_CHILD), scenario, str(out), str(settings.stages_dir)),
        environment=environment(settings, os.environ, claim.device),
        out=out,
        log=out.parent / "logs" / f"attempt-{claim.attempt}.log",
    )


if __name__ == "__main__":
    settings = Settings.from_env()
    settings.make_directories()
    logs.configure(settings)
    register(settings)
    make_app(settings, prepare, FAKE_TASK_SLOT).worker_main(
        arguments(settings, identity_of(os.getpid()).worker_id)
    )
