"""The command under a supervisor: killed, terminated, or with nobody to listen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cartl_core.events import (
    EVENT,
    CheckpointWritten,
    Event,
    Ping,
    StageReply,
    StageRequested,
    StageStored,
    Stop,
)
from tests.core.run.test_main import arguments


class Supervisor:
    """What a worker does, in small: answers stage requests with directories of its own token."""

    def __init__(self, spec: Path, directory: Path, token: int) -> None:
        self.stages, self.token = directory / "stages", token
        self.events: list[Event] = []
        self.checkpoints: dict[str, list[str]] = {}
        self.stored: dict[str, str] = {}
        command = arguments(spec, directory / f"out{token}", "--stages", str(self.stages), "--supervised")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cartl_core", *command, "--silence-limit", "60"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.timer = threading.Timer(120, self.process.kill)
        self.timer.start()

    def send(self, order: Ping | Stop | StageReply) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(order.model_dump_json() + "\n")
        self.process.stdin.flush()

    def follow(self) -> Iterator[Event]:
        """Every event, answered where it is a question."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = EVENT.validate_json(line)
            self.events.append(event)
            match event:
                case StageRequested():
                    self.send(self.answer(event))
                case CheckpointWritten():
                    # The file itself may be gone by now: it goes once its stage is stored.
                    assert event.path.startswith(f"{event.digest}/{self.token}/")
                    self.checkpoints.setdefault(event.digest, []).insert(0, event.path)
                case StageStored():
                    self.stored[event.digest] = event.path
            yield event

    def answer(self, request: StageRequested) -> StageReply:
        if found := self.stored.get(request.digest):
            return StageReply(digest=request.digest, verdict="finished", path=found)
        return StageReply(
            digest=request.digest,
            verdict="compute",
            path=f"{request.digest}/{self.token}",
            checkpoints=tuple(self.checkpoints.get(request.digest, ())[:2]),
        )

    def end(self) -> int:
        for _ in self.follow():
            pass
        code = self.process.wait(60)
        self.timer.cancel()
        return code

    def successor(self, spec: Path, directory: Path) -> Supervisor:
        """The next claim of the same job: what was recorded counts."""
        following = Supervisor(spec, directory, self.token + 1)
        following.checkpoints, following.stored = self.checkpoints, self.stored
        return following


def test_a_killed_child_loses_nothing(write: Any, tmp_path: Path) -> None:
    """Killed in the teacher, cancelled in the student, closed in the evaluation: the same bits in the end."""
    spec = write()
    whole = Supervisor(spec, tmp_path / "whole", 1)
    assert whole.end() == 0

    killed = Supervisor(spec, tmp_path / "pieces", 1)
    seen = 0
    for event in killed.follow():
        seen += isinstance(event, CheckpointWritten)
        if seen == 3:
            os.kill(killed.process.pid, signal.SIGKILL)
            break
    assert killed.end() == -signal.SIGKILL

    cancelled = killed.successor(spec, tmp_path / "pieces")
    for event in cancelled.follow():
        if event.type == "epoch_finished" and event.stage == "transfer":
            cancelled.send(Stop(why="cancelled"))
            break
    assert cancelled.end() == 3
    last = cancelled.events[-1]
    assert last.type == "stopped"
    assert last.why == "cancelled"
    starts = [event for event in cancelled.events if event.type == "stage_started"]
    assert starts[0].resumed_at is not None

    deserted = cancelled.successor(spec, tmp_path / "pieces")
    for event in deserted.follow():
        if event.type == "stage_started":
            assert deserted.process.stdin is not None
            deserted.process.stdin.close()
            break
    assert deserted.end() in (3, 4)

    final = deserted.successor(spec, tmp_path / "pieces")
    assert final.end() == 0
    one, other = tmp_path / "whole" / "out1", tmp_path / "pieces" / f"out{final.token}"
    for name in ("student.safetensors", "outcomes-student.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_terminated_command_says_so_and_goes_on(write: Any, tmp_path: Path) -> None:
    spec, out = write(), tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "cartl_core", *arguments(spec, out)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if EVENT.validate_json(line).type == "stage_started":
            process.send_signal(signal.SIGTERM)
            break
    rest = process.stdout.read().splitlines()
    assert process.wait(60) == 3
    last = EVENT.validate_json(rest[-1])
    assert last.type == "stopped"
    assert last.why == "interrupted"


def test_a_command_that_nobody_listens_to_ends(write: Any, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "cartl_core", *arguments(write("no json"), tmp_path / "out")],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert ended.returncode == 4
    assert "Traceback" not in ended.stderr
