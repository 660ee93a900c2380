"""A child that speaks the protocol and does nothing: `fake_child.py SCENARIO OUT STAGES`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import cast


def tell(type_: str, **body: object) -> None:
    sys.stdout.write(json.dumps({"type": type_, **body}) + "\n")
    sys.stdout.flush()


def orders(*kinds: str) -> dict[str, object]:
    """Read orders until one of ``kinds``; the end of stdin ends this process, as in a real child."""
    for line in sys.stdin:
        order: dict[str, object] = json.loads(line)
        if order["type"] in kinds:
            return order
    sys.exit(4)


def epoch(number: int) -> None:
    tell(
        "epoch_finished",
        stage="pretrain",
        label="teacher (fdm)",
        digest="d" * 64,
        epoch=number,
        epochs=3,
        metrics={"loss": 1.0 / number},
    )


def succeed() -> None:
    for number in (1, 2, 3):
        epoch(number)
        tell("progress", stage="pretrain", label="teacher (fdm)", fraction=number / 4, seconds_left=1.0)
    tell("finished", seconds=1.0)


def artifact() -> None:
    (OUT / "report.md").write_text("# robust\n")
    tell("artifact_written", name="report.md", path="report.md", media_type="text/markdown")
    tell("finished", seconds=1.0)


def outside() -> None:
    """Name a file that is not this claim's."""
    tell("artifact_written", name="passwd", path="../../../passwd", media_type="text/plain")
    orders("stop")


def stage() -> None:
    """Compute a stage if told to; say in the log what the supervisor answered."""
    tell("stage_requested", stage="pretrain", label="teacher (fdm)", digest="a" * 64, shared=True)
    reply = orders("stage_reply")
    sys.stderr.write(json.dumps(reply) + "\n")
    if reply["verdict"] == "wait":
        tell("stopped", why="waiting", waiting_for="a" * 64)
        sys.exit(3)
    if reply["verdict"] == "compute":
        for number in (1, 2):
            checkpoint(str(reply["path"]), number)
        tell("stage_stored", stage="pretrain", digest="a" * 64, path=str(reply["path"]))
    tell("finished", seconds=1.0)


def checkpoint(directory: str, number: int) -> None:
    path = STAGES / directory / f"{number}.checkpoint"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("weights")
    told = path.relative_to(STAGES).as_posix()
    tell("checkpoint_written", stage="pretrain", digest="a" * 64, path=told, fraction=number / 2)


def strike() -> None:
    """Compute half of a stage and of an artifact, and die."""
    tell("stage_requested", stage="pretrain", label="teacher (fdm)", digest="a" * 64, shared=True)
    directory = str(orders("stage_reply")["path"])
    checkpoint(directory, 1)
    checkpoint(directory, 2)
    os.kill(os.getpid(), signal.SIGKILL)


def drain() -> None:
    """Compute a stage until asked to stop, and write what there is by then."""
    tell("stage_requested", stage="pretrain", label="teacher (fdm)", digest="a" * 64, shared=True)
    directory = str(orders("stage_reply")["path"])
    checkpoint(directory, 1)
    order = orders("stop")
    checkpoint(directory, 2)
    tell("stopped", why=order["why"])
    sys.exit(3)


def go_on() -> None:
    """Finish a stage from the checkpoints of another process, and say what they were."""
    tell("stage_requested", stage="pretrain", label="teacher (fdm)", digest="a" * 64, shared=True)
    reply = orders("stage_reply")
    left = [(STAGES / str(path)).read_text() for path in cast("list[str]", reply["checkpoints"])]
    (OUT / "left.json").write_text(json.dumps(left))
    tell("artifact_written", name="left.json", path="left.json", media_type="application/json")
    directory = STAGES / str(reply["path"])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "network").write_text("weights")
    (directory / "scratch").write_text("not part of the result")
    (directory / "result.json").write_text(json.dumps({"facts": {}, "files": {"network": "0" * 64}}))
    tell("stage_stored", stage="pretrain", digest="a" * 64, path=str(reply["path"]))
    tell("finished", seconds=1.0)


def reuse() -> None:
    """Say which files a finished stage has."""
    tell("stage_requested", stage="pretrain", label="teacher (fdm)", digest="a" * 64, shared=True)
    reply = orders("stage_reply")
    found = sorted(path.name for path in (STAGES / str(reply["path"])).iterdir())
    sys.stderr.write(json.dumps([reply["verdict"], found, sorted(os.environ)]) + "\n")
    tell("finished", seconds=1.0)


def late() -> None:
    """Compute a stage; its second half when somebody says so, as after a sleep."""
    tell("stage_requested", stage="pretrain", label="teacher (fdm)", digest="a" * 64, shared=True)
    directory = str(orders("stage_reply")["path"])
    checkpoint(directory, 1)
    while not (STAGES / "go").exists():
        time.sleep(0.01)
    checkpoint(directory, 2)
    tell("stage_stored", stage="pretrain", digest="a" * 64, path=directory)
    tell("finished", seconds=1.0)


def fail() -> None:
    tell("failed", reason="out_of_memory", message="The device ran out of memory at batch size 512.")
    sys.exit(1)


def refuse() -> None:
    sys.stderr.write("freeze_depth: 99 does not fit\n")
    sys.exit(2)


def crash() -> None:
    epoch(1)
    os.kill(os.getpid(), signal.SIGSEGV)


def obey() -> None:
    """Run until asked to stop, then stop as asked."""
    epoch(1)
    order = orders("stop")
    tell("stopped", why=order["why"])
    sys.exit(3)


def swell() -> None:
    """Take memory, 20 MB at a time, until somebody ends it; says how the system's killer sees it."""
    sys.stderr.write(f"oom_score_adj {Path('/proc/self/oom_score_adj').read_text()}")
    taken = []
    while True:
        taken.append(bytearray(os.urandom(1024) * 20_000))
        time.sleep(0.02)


def killed() -> None:
    """As the system's killer does it, or a person."""
    epoch(1)
    os.kill(os.getpid(), signal.SIGKILL)


def give_up() -> None:
    """Stop without being asked."""
    tell("stopped", why="interrupted")
    sys.exit(3)


def stubborn() -> None:
    """Ignore every order and SIGTERM, and have a child of its own; only SIGKILL of the group helps."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (OUT / "grandchild").write_text(str(grandchild.pid))
    epoch(1)
    time.sleep(60)


def chatter() -> None:
    """More progress than anybody can read, and rubbish between."""
    for number in range(2000):
        tell("progress", stage="pretrain", label="teacher (fdm)", fraction=number / 2000)
    sys.stdout.write("this is no event\n")
    tell("warned", message="careful")
    fail()


def newer() -> None:
    """A run of another version: an event with a field that nobody here knows."""
    tell("warned", message="careful", colour="red")
    tell("finished", seconds=1.0)


def slow() -> None:
    """Tell something every tenth of a second, for three seconds; an order to stop is not read."""
    for number in range(1, 31):
        tell("warned", message=str(number))
        time.sleep(0.1)
    tell("finished", seconds=3.0)


OUT, STAGES = Path(sys.argv[2]), Path(sys.argv[3])
globals()[sys.argv[1]]()
