"""A process whose main thread hangs ends in time; one that ends by itself is left alone."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import yaml

from worker.host.shutdown import EXIT_CODE, LEEWAY_SECONDS

ROOT = Path(__file__).resolve().parents[3]
HANGS = """
import logging, threading
from worker.host.shutdown import end_after
logging.basicConfig()
end_after(0.3)
lock = threading.Lock()
lock.acquire()
lock.acquire()
"""
ENDS = "from worker.host.shutdown import end_after; end_after(600)"


def run(code: str) -> tuple[int, float, str]:
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=250
    )
    return ended.returncode, time.monotonic() - began, ended.stderr


def test_a_hanging_process_ends_and_says_so() -> None:
    code, seconds, said = run(HANGS)
    assert code == EXIT_CODE
    assert seconds >= 0.3
    assert "did not stop within" in said


def test_one_that_ends_by_itself_is_not_held_up() -> None:
    code, seconds, said = run(ENDS)
    assert (code, said) == (0, "")
    assert seconds < 250


def test_it_ends_before_the_stack_would_kill_it() -> None:
    stack = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    worker = stack["services"]["worker"]
    runs = float(worker["environment"]["CARTL_STOP_GRACE_SECONDS"])
    assert runs + LEEWAY_SECONDS < float(worker["stop_grace_period"].removesuffix("s"))
