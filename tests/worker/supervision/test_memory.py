"""Memory of a run: its limit, and who ended it."""

from __future__ import annotations

import os
from itertools import count, repeat
from pathlib import Path

import pytest

from jobs.settings import Settings
from jobs.state import JobState
from tests.worker.supervision.test_supervisor import Fixture
from worker.supervision import memory


def test_a_run_that_takes_too_much_memory_is_ended_and_says_so(
    record: Fixture, quick: Settings, supervise: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "default_limit", lambda: 200 * 1024**2)
    job_id = record.submit(name="swell")
    running = supervise(record.claim(), "swell")
    assert running.verdict() is not None
    job = record.job(job_id)
    assert (job.state, job.reason, job.attempts_used) == (JobState.FAILED, "out_of_memory", 0)
    assert "0.2 GB are allowed; try a smaller batch_size" in job.message
    assert f"oom_score_adj {memory.FIRST_TO_GO}" in running.log.read_text()


@pytest.mark.parametrize(("by_the_system", "reason"), [(True, "out_of_memory"), (False, None)])
def test_a_run_that_the_systems_killer_took_ran_out_of_memory(
    record: Fixture,
    supervise: Fixture,
    monkeypatch: pytest.MonkeyPatch,
    by_the_system: bool,
    reason: str | None,
) -> None:
    """Anybody else's SIGKILL is a crash: the job is tried again."""
    counts = count(7) if by_the_system else repeat(7)
    monkeypatch.setattr(memory, "kills_so_far", lambda: next(counts))
    job_id = record.submit()
    supervise(record.claim(), "killed").verdict()
    job = record.job(job_id)
    assert (job.reason, job.attempts_used) == (reason, 0 if by_the_system else 1)


def test_what_the_system_tells_of_memory() -> None:
    own = memory.used_by(os.getpid())
    held = bytearray(os.urandom(1024) * 100_000)
    assert memory.used_by(os.getpid()) - own > 0.9 * len(held)
    assert memory.used_by(2**22 + 1) == 0
    limit = memory.default_limit()
    assert limit is None or limit > 2**20
    assert memory.kills_so_far() >= 0


@pytest.mark.parametrize(
    ("groups", "files", "kills", "limit"),
    [
        ("0::/worker", {"worker/memory.events": "oom 3\noom_kill 2", "worker/memory.max": "1000"}, 2, 900),
        ("0::/worker", {"memory.events": "oom_kill 4", "memory.max": "max"}, 4, 9_216_000),
        (
            "4:memory:/run\n1:cpu:/",
            {"memory/run/memory.oom_control": "oom_kill 5", "memory/run/memory.limit_in_bytes": "2000"},
            5,
            1800,
        ),
        ("", {}, 6, 9_216_000),
    ],
)
def test_limits_and_kills_of_a_container(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    groups: str,
    files: dict[str, str],
    kills: int,
    limit: int,
) -> None:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    written = {f"cgroup/{name}": told for name, told in files.items()}
    written |= {"proc/self/cgroup": groups, "proc/vmstat": "oom_kill 6", "proc/meminfo": "MemTotal: 10000 kB"}
    for name, told in written.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(told + "\n")
    monkeypatch.setattr(memory, "PROC", proc)
    monkeypatch.setattr(memory, "CGROUPS", cgroups)
    assert memory.kills_so_far() == kills
    assert memory.default_limit() == limit
