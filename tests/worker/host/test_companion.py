"""A process beside a worker ends with it, also when the worker ends before it could be tied to it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from worker.host.companion import PARENT
from worker.host.identity import identity_of

ATTACHED = (
    "from worker.host.companion import attach_to_worker\n"
    "worker_id, shutting_down = attach_to_worker()\n"
    "print(worker_id, shutting_down())"
)


def attached(environment: dict[str, str]) -> str:
    asked = [sys.executable, "-c", ATTACHED]
    return subprocess.run(asked, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("told", [True, False], ids=["told its parent", "not told"])
def test_a_companion_of_a_worker_that_is_there_goes_on(told: bool) -> None:
    given = {PARENT: str(os.getpid())} if told else {}
    assert attached(os.environ | given) == f"{identity_of(os.getpid()).worker_id} False"


def test_a_companion_whose_worker_has_ended_before_ends_at_once() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert attached(os.environ | {PARENT: str(gone.pid)}).endswith(" True")
