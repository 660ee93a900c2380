from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from cartl.serving.log_files import tail
from cartl.serving.processes import run_within, start

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('up', flush=True); time.sleep(600)"
)
PATIENT = "import time; print('up', flush=True); time.sleep(600)"


def gone(pid: int) -> bool:
    """True when the process has ended (a zombie has)."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        if status.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def wait_for(log: Path, text: str) -> str:
    deadline = time.monotonic() + 60
    while text not in (said := log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline, f"never said {text!r}: {said!r}"
        time.sleep(0.02)
    return said


@pytest.mark.parametrize(
    ("program", "signalled", "grace", "at_least"),
    [(PATIENT, signal.SIGTERM, 60.0, 0.0), (STUBBORN, signal.SIGKILL, 0.3, 0.3)],
)
def test_stop_asks_first_and_kills_after_the_grace(
    tmp_path: Path, program: str, signalled: signal.Signals, grace: float, at_least: float
) -> None:
    process = start("it", [sys.executable, "-c", program], tmp_path / "log", os.environ)
    wait_for(process.log, "up")
    began = time.monotonic()
    process.stop(grace)
    assert process.popen.returncode == -signalled
    assert time.monotonic() - began >= at_least


def test_a_process_leads_its_own_group_and_takes_its_children_with_it(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time; "
        f"child = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); "
        "print('child', child.pid, flush=True); time.sleep(600)"
    )
    process = start("it", [sys.executable, "-c", program], tmp_path / "log", os.environ)
    wait_for(process.log, "up")
    child = int(tail(process.log).split()[1])
    assert os.getpgid(process.popen.pid) == process.popen.pid != os.getpgid(0)
    process.stop(30)
    assert gone(child)


def test_a_process_that_died_shows_how_and_the_end_of_its_log(tmp_path: Path) -> None:
    program = "[print('line', n) for n in range(50)]; raise SystemExit(3)"
    process = start("worker", [sys.executable, "-c", program], tmp_path / "log", os.environ)
    process.popen.wait(60)
    message = str(process.died())
    assert "the worker process ended (exit code 3)" in message
    assert "line 49" in message and "line 29" not in message


def test_nobody_is_left_when_the_starter_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = (
        "import os, sys, time; from pathlib import Path; from cartl.serving.processes import start; "
        f"process = start('it', [sys.executable, '-c', {PATIENT!r}], Path({str(log)!r}), os.environ); "
        f"Path({str(tmp_path / 'pid')!r}).write_text(str(process.popen.pid)); print('up', flush=True); "
        "time.sleep(600)"
    )
    starter = start("starter", [sys.executable, "-c", program], tmp_path / "starter.log", os.environ)
    wait_for(starter.log, "up")
    wait_for(log, "up")
    os.kill(starter.popen.pid, signal.SIGKILL)
    starter.popen.wait(60)
    assert gone(int((tmp_path / "pid").read_text()))


def test_run_within_ends_in_time_with_all_that_was_started(tmp_path: Path) -> None:
    script = "sleep 600 & echo $! > pid; sleep 600"
    began = time.monotonic()
    assert run_within(["sh", "-c", script], 3.0, log=tmp_path / "log", cwd=tmp_path) is None
    assert time.monotonic() - began < 60
    assert gone(int((tmp_path / "pid").read_text()))


def test_run_within_gives_the_exit_code_and_keeps_what_was_said(tmp_path: Path) -> None:
    assert run_within(["sh", "-c", "echo said; exit 4"], 10, log=tmp_path / "log") == 4
    assert tail(tmp_path / "log").strip() == "said"
    assert run_within([str(tmp_path / "absent")], 10, log=tmp_path / "log") is None


def test_the_tail_of_nothing_says_so(tmp_path: Path) -> None:
    assert "nothing" in tail(tmp_path / "absent")
