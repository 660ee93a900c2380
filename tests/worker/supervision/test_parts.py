"""The worker's small parts: buffer, log, verdict, shutdown flag, identity, launch, the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from cartl_core.events import Event, Failed, Finished, Progress, Stopped, Warned
from jobs.state import Move
from worker.host.identity import identity_of, is_alive, is_running, pid_space
from worker.host.shutdown import ShutdownFlag
from worker.supervision.event_buffer import EventBuffer
from worker.supervision.job_log import JobLog
from worker.supervision.outcome import REFUSED_WORDS, WRITERS, Verdict, judge


def progress(fraction: float) -> Progress:
    return Progress(stage="pretrain", label="teacher (at)", fraction=fraction)


def warned(text: str) -> Warned:
    return Warned(message=text)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def taken(buffer: EventBuffer) -> list[object]:
    buffer.close()
    found: list[object] = []
    while (event := buffer.get()) is not None:
        found.append(event)
    return found


def test_the_buffer_keeps_order_and_only_the_newest_progress_before_each_event() -> None:
    buffer = EventBuffer()
    told: list[Event] = [progress(0.1), progress(0.2), warned("a"), warned("b"), progress(0.3), progress(0.4)]
    for event in told:
        buffer.put(event)
    assert taken(buffer) == [progress(0.2), warned("a"), warned("b"), progress(0.4)]


def test_progress_waits_for_its_second() -> None:
    clock = Clock()
    buffer = EventBuffer(pause=1.0, clock=clock)
    buffer.put(progress(0.1))
    assert buffer.get() == progress(0.1)
    buffer.put(progress(0.2))
    got: list[object] = []
    taker = threading.Thread(target=lambda: got.append(buffer.get()))
    taker.start()
    taker.join(0.2)
    assert got == []
    clock.now = 1.0
    buffer.put(progress(0.3))
    taker.join(60)
    assert got == [progress(0.3)]


def test_a_full_buffer_holds_the_child_up_until_there_is_room() -> None:
    buffer = EventBuffer(capacity=2)
    buffer.put(warned("1"))
    buffer.put(warned("2"))
    third = threading.Thread(target=lambda: buffer.put(warned("3")))
    third.start()
    third.join(0.2)
    assert third.is_alive()
    assert buffer.get() == warned("1")
    third.join(60)
    assert taken(buffer) == [warned("2"), warned("3")]


def test_a_closed_buffer_holds_nobody_up() -> None:
    buffer = EventBuffer(capacity=1)
    buffer.put(warned("1"))
    waiting = threading.Thread(target=lambda: buffer.put(warned("2")))
    waiting.start()
    buffer.close()
    waiting.join(60)
    assert not waiting.is_alive()
    assert taken(buffer) == [warned("1")]


def test_a_log_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "attempt-1.log"
    with JobLog(path, head_bytes=30, tail_bytes=20) as log:
        for number in range(100):
            log.write(f"line {number:03}\n".encode())
    text = path.read_text()
    assert text.splitlines() == [
        "line 000",
        "line 001",
        "line 002",
        "-- 855 bytes left out",
        "line 098",
        "line 099",
    ]


def test_a_log_that_another_claim_began_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "attempt-1.log"
    for text in ("one", "two"):
        with JobLog(path) as log:
            log.note(text)
    assert path.read_text() == "-- one\n-- two\n"


def test_a_full_disk_costs_a_log_lines_and_nobody_else_anything(tmp_path: Path) -> None:
    path = tmp_path / "attempt-1.log"
    path.symlink_to("/dev/full")
    with JobLog(path) as log:
        log.note("one")
        log.write(b"two\n")


WAITING = Stopped(why="waiting", waiting_for="d" * 64)


@pytest.mark.parametrize(
    ("code", "last_word", "asked", "expected"),
    [
        (0, Finished(seconds=1), None, Verdict(Move.COMPLETE)),
        (0, Finished(seconds=1), "cancelled", Verdict(Move.COMPLETE)),
        (-9, Finished(seconds=1), "interrupted", Verdict(Move.COMPLETE)),
        (1, Failed(reason="disk_full", message="m"), None, Verdict(Move.FAIL, "disk_full", "m")),
        (1, Failed(reason="disk_full", message="m"), "cancelled", Verdict(Move.FAIL, "disk_full", "m")),
        (3, WAITING, None, Verdict(Move.RELEASE, waiting_for="d" * 64)),
        (3, Stopped(why="cancelled"), "cancelled", Verdict(Move.ACKNOWLEDGE)),
        (3, Stopped(why="interrupted"), "interrupted", Verdict(Move.RELEASE)),
        (3, Stopped(why="interrupted"), "cancelled", Verdict(Move.ACKNOWLEDGE)),
        (-9, None, "cancelled", Verdict(Move.ACKNOWLEDGE)),
        (-9, None, "interrupted", Verdict(Move.RELEASE)),
        (-9, None, None, Verdict(Move.REQUEUE_AFTER_CRASH, message="the run was killed by SIGKILL")),
        (0, None, None, Verdict(Move.REQUEUE_AFTER_CRASH, message="the run finished")),
        (4, None, None, Verdict(Move.REQUEUE_AFTER_CRASH, message="the run lost its supervisor")),
        (77, None, None, Verdict(Move.REQUEUE_AFTER_CRASH, message="the run ended with exit code 77")),
        (3, Stopped(why="interrupted"), None, Verdict(Move.REQUEUE_AFTER_CRASH, message="the run stopped")),
        (2, None, None, Verdict(Move.FAIL, "spec_invalid", REFUSED_WORDS)),
    ],
)
def test_the_verdict_on_every_kind_of_end(
    code: int, last_word: object, asked: object, expected: Verdict
) -> None:
    assert judge(code, last_word, asked) == expected  # type: ignore[arg-type]
    assert expected.move in WRITERS


def test_the_shutdown_flag_is_seen_by_a_forked_process() -> None:
    shutdown = ShutdownFlag()
    assert not shutdown.is_set
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"shut" if shutdown.is_set else b"open")
        while not shutdown.is_set:
            pass
        os.write(write, b"shut")
        os._exit(0)
    assert os.read(read, 4) == b"open"
    shutdown.set()
    assert os.read(read, 4) == b"shut"
    assert os.waitpid(child, 0)[1] == 0


def test_the_shutdown_flag_is_set_once_its_maker_is_gone() -> None:
    read, write = os.pipe()
    maker = os.fork()
    if maker == 0:
        shutdown = ShutdownFlag()
        if os.fork() == 0:
            os.write(write, b"shut" if shutdown.is_set else b"open")
            while not shutdown.is_set:
                pass
            os.write(write, b"shut")
            os._exit(0)
        signal.pause()
    assert os.read(read, 4) == b"open"
    os.kill(maker, signal.SIGKILL)
    os.waitpid(maker, 0)
    assert os.read(read, 4) == b"shut"


def test_identities_tell_processes_apart_and_zombies_are_dead() -> None:
    me = identity_of(os.getpid())
    assert me == identity_of(os.getpid())
    assert me.worker_id != identity_of(os.getppid()).worker_id
    assert len(me.worker_id) <= 64
    assert is_alive(me.pid)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert is_alive(child.pid)
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(child.pid)
    child.wait()
    assert not is_alive(child.pid)


def test_a_worker_is_its_process_and_not_another_with_a_reused_id() -> None:
    me = identity_of(os.getpid())
    assert is_running(me.worker_id, me.pid)
    assert is_running(replace(me, host="renamed since").worker_id, me.pid)
    assert not is_running(replace(me, started="1").worker_id, me.pid)
    assert not is_running(replace(me, pid=2**22 + 1).worker_id, 2**22 + 1)


def test_a_pid_space_is_one_boot_and_one_container() -> None:
    here = pid_space()
    assert len(here) <= 64
    tell = [sys.executable, "-c", "from worker.host.identity import pid_space; print(pid_space())"]
    assert subprocess.check_output(tell, text=True).strip() == here
    apart = subprocess.run(["unshare", "--pid", "--fork", *tell], text=True, capture_output=True, check=False)
    assert apart.stdout.strip() != here  # empty where this user may not make one
