from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

from cartl.serving.log_files import KEPT, open_log, rotate, tail
from cartl.serving.processes import start


def test_the_log_of_a_crash_survives_the_restart(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "api.log"
    for said in ("the crash", "the next run"):
        process = start("api", [sys.executable, "-c", f"print({said!r})"], log, os.environ)
        assert process.popen.wait(60) == 0
    text = log.read_text()
    assert text.index("the crash") < text.index("the next run") and text.count("== started ") == 2
    assert tail(log).strip() == "the next run"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_large_log_becomes_an_older_one_and_so_many_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    for number in range(KEPT + 3):
        log.write_text(f"{number}" * 100)
        assert rotate(log, max_bytes=99)
        assert log.read_text() == "" and not rotate(log, max_bytes=99)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["api.log", *(f"api.log.{number}" for number in range(1, KEPT + 1))]
    assert (tmp_path / "api.log.1").read_text()[0] == str(KEPT + 2)


def test_a_process_goes_on_writing_to_a_log_that_was_emptied(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    program = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"
    with open_log(log) as output:
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=output, text=True
        )
    assert process.stdin is not None

    def say(words: str) -> None:
        assert process.stdin is not None
        process.stdin.write(f"{words}\n")
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while not log.read_text().endswith(f"{words}\n"):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    say("before")
    assert rotate(log, max_bytes=1)
    say("after")
    process.stdin.close()
    assert process.wait(60) == 0
    assert log.read_text() == "after\n"
    assert (tmp_path / "api.log.1").read_text().endswith("before\n")
