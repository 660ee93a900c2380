"""A program that is forked from one that has loaded torch is as one that was started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from worker.host.identity import is_alive

LOOK = """
import cartl_core, json, os, sys
mask = os.umask(0)
words = [sys.argv, sys.orig_argv[1:], os.getcwd(), mask, sorted(os.sched_getaffinity(0)), os.nice(0)]
variables = {name: value for name, value in os.environ.items() if name not in ("FORK_SERVER", "PYTHONPATH")}
print(json.dumps([words, variables, sys.stdin.read(), __name__, sys.path[0]]))
print("torch" in sys.modules, file=sys.stderr)
"""
SLEEP = "import cartl_core, os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)"


def started(program: str, folder: Path, more: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    one = {min(os.sched_getaffinity(0))}
    return subprocess.run(
        [sys.executable, "-c", program, "first", "--second"],
        cwd=folder,
        env={**os.environ, "A_VARIABLE": "its value", **more},
        input="to be read",
        capture_output=True,
        text=True,
        umask=0o027,
        preexec_fn=lambda: os.sched_setaffinity(0, one),
        check=False,
    )


def test_it_finds_what_a_started_program_finds(fork_server: Mapping[str, str], tmp_path: Path) -> None:
    forked, plain = (started(LOOK, tmp_path, more) for more in (fork_server, {}))
    assert (forked.returncode, plain.returncode) == (0, 0), forked.stderr + plain.stderr
    assert forked.stdout == plain.stdout
    assert (forked.stderr, plain.stderr) == ("True\n", "False\n")


@pytest.mark.parametrize("end", ["sys.exit(7)", "sys.exit('a reason')", "raise ValueError('wrong')"])
def test_it_ends_as_a_started_program_ends(fork_server: Mapping[str, str], tmp_path: Path, end: str) -> None:
    forked, plain = (
        started(f"import sys, cartl_core\nprint('said')\n{end}", tmp_path, more) for more in (fork_server, {})
    )
    assert (forked.returncode, forked.stdout) == (plain.returncode, plain.stdout) != (0, "said\n")
    assert forked.stderr.splitlines()[-1:] == plain.stderr.splitlines()[-1:]


def test_a_command_of_the_library_is_forked(fork_server: Mapping[str, str], tmp_path: Path) -> None:
    asked = [sys.executable, "-m", "cartl_core", "run", "missing.json", "--out", "out"]
    done = subprocess.run(
        asked, cwd=tmp_path, env={**os.environ, **fork_server}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "missing.json cannot be read" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_signals_reach_it(
    fork_server: Mapping[str, str], until: Callable[..., None], number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEP],
        env={**os.environ, **fork_server},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert pid != process.pid
        process.send_signal(number)
        assert process.wait(60) == -number
    until(lambda: not is_alive(pid))
