"""Which devices a worker takes, and that two pool processes never have one slot."""

from __future__ import annotations

import os
import signal
from typing import Literal

import pytest

from jobs.errors import SettingsInvalid
from jobs.settings import Settings
from worker.host.devices import with_devices
from worker.host.slot_locks import SlotLocks


def nobody_asks() -> int:
    raise AssertionError("the GPUs need not be counted")


@pytest.mark.parametrize(
    ("device", "seen", "devices"),
    [("auto", 0, "cpu"), ("auto", 8, ",".join(f"cuda:{n}" for n in range(8))), ("cuda", 1, "cuda:0")],
)
def test_every_gpu_is_taken_else_the_cpu(device: Literal["auto", "cuda"], seen: int, devices: str) -> None:
    assert with_devices(Settings(device=device), lambda: seen).devices == devices


def test_a_deployment_on_the_cpu_looks_for_no_gpu() -> None:
    assert with_devices(Settings(device="cpu"), nobody_asks).devices == "cpu"
    assert with_devices(Settings(devices="cpu,cpu"), nobody_asks).devices == "cpu,cpu"


@pytest.mark.parametrize(
    ("settings", "seen", "words"),
    [
        (Settings(device="cuda"), 0, "this worker sees no GPU; allowed: auto, cpu"),
        (
            Settings(devices="cuda:0,cuda:2"),
            2,
            "cuda:2 is declared.*2 GPUs; allowed: cpu, and cuda:0 to cuda:1",
        ),
        (Settings(devices="cuda:0"), 0, "allowed: cpu, auto"),
    ],
)
def test_a_gpu_that_is_not_there_is_told_at_the_start(settings: Settings, seen: int, words: str) -> None:
    with pytest.raises(SettingsInvalid, match=words):
        with_devices(settings, lambda: seen)


def fork_with_a_slot(locks: SlotLocks) -> tuple[int, int | None]:
    """A process that takes a slot and keeps it until it is killed; its id, and the slot's number."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with locks.taken() as slot:
            os.write(writing, b"none" if slot is None else str(slot.number).encode())
            signal.pause()
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 16).decode()
    os.close(reading)
    return pid, None if said == "none" else int(said)


def test_a_slot_has_one_process_and_is_free_when_that_is_killed() -> None:
    locks = SlotLocks(Settings(devices="cpu,cpu").worker_slots)
    processes: list[int] = []
    try:
        for expected in (0, 1, None):
            pid, number = fork_with_a_slot(locks)
            processes.append(pid)
            assert number == expected
        os.kill(processes[0], signal.SIGKILL)
        os.waitpid(processes.pop(0), 0)
        pid, number = fork_with_a_slot(locks)
        processes.append(pid)
        assert number == 0
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_a_slot_is_given_back_at_the_end_of_the_block() -> None:
    locks = SlotLocks(Settings(devices="cpu").worker_slots)
    with locks.taken() as slot:
        assert slot is not None
        pid, number = fork_with_a_slot(locks)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert number is None
    pid, number = fork_with_a_slot(locks)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert number == 0
