"""`cartl up` as a person runs it: real processes on a free port, one small real job, Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cartl.client import Client
from cartl.http.problems import ServiceError
from cartl.serving.up import free_port

COMMAND = [sys.executable, "-m", "cartl"]
SMALL_JOB = {
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9], "train_limit": 60},
    "source": {"name": "digits", "classes": [0, 1, 2, 3, 4], "train_limit": 60},
    "freeze_depth": 2,
    "preset": "smoke",
    "pretrain": {"epochs": 1},
    "transfer": {"epochs": 1},
    "evaluate": {"test_limit": 20, "source_test_limit": 20},
}


def environment() -> dict[str, str]:
    settings = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
    return {**settings, "CARTL_THREADS": "1", "PYTHONUNBUFFERED": "1"}


@contextmanager
def running(data_dir: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service that is up, and what it said by then."""
    command = [*COMMAND, "up", "--data-dir", str(data_dir), "--port", str(port)]
    up = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert up.stdout is not None
    said = ""
    for line in up.stdout:
        said += line
        if "Ctrl-C" in line:
            break
    try:
        yield up, said
    finally:
        if up.poll() is None:
            up.terminate()
            up.wait(120)
        up.stdout.close()


def up_once(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "up", *arguments], env=environment(), capture_output=True, text=True, timeout=200
    )


def parents() -> dict[int, int]:
    """Process id -> parent's, of every process that is not a zombie."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if entry.name.isdigit() and state != "Z":
            found[int(entry.name)] = int(parent)
    return found


def descendants(pid: int) -> set[int]:
    known, below = parents(), {pid}
    while grown := {child for child, parent in known.items() if parent in below} - below:
        below |= grown
    return below - {pid}


def all_gone(pids: set[int], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while pids & parents().keys():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def child_of(pid: int, module: str) -> int:
    return next(
        child
        for child in descendants(pid)
        if parents().get(child) == pid and f"\0-m\0{module}\0" in Path(f"/proc/{child}/cmdline").read_text()
    )


def test_a_job_from_post_to_report_and_nothing_left_after_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path / "data", port) as (up, said):
        assert f"http://127.0.0.1:{port}" in said and str(tmp_path / "data") in said and "curl" in said
        with Client(f"http://127.0.0.1:{port}") as client:
            job = client.submit(SMALL_JOB)
            events = list(client.events(job["id"]))
            assert client.job(job["id"])["state"] == "succeeded", client.job(job["id"])
            assert [event["number"] for event in events] == list(range(1, len(events) + 1))
            report = client.robustness(job["id"])
            assert report["complete"] is True
            assert report["student"]["figures"]["n"] == report["baselines"][0]["figures"]["n"] == 20
            assert client.robustness_markdown(job["id"]).startswith("# Robustness report")
            withheld = {export["format"]: export["withheld"] for export in report["exports"]}
            assert withheld == dict.fromkeys(("safetensors", "pt2", "onnx", "robustbench", "card"))
            types = {one["name"]: one["media_type"] for one in client.artifacts(job["id"])}
            assert types["student.onnx"] == types["student.pt2"] == "application/octet-stream"
            assert types["model-card.md"].startswith("text/markdown")
        bring = [*COMMAND, "download", job["id"], "--format", "onnx", "--out", str(tmp_path / "mine")]
        url = {"CARTL_URL": f"http://127.0.0.1:{port}"}
        subprocess.run(bring, env=environment() | url, check=True, capture_output=True, timeout=100)
        assert {path.name for path in (tmp_path / "mine").iterdir()} == {"student.onnx", "classes.json"}
        with (
            Client(f"http://127.0.0.1:{port}") as client,
            pytest.raises(ServiceError, match="freeze_depth"),
        ):
            client.submit({**SMALL_JOB, "freeze_depth": 99})
        family = descendants(up.pid)
        assert len(family) >= 2
        up.send_signal(signal.SIGINT)
        assert up.wait(120) == 0
    assert all_gone(family)


def test_ctrl_c_during_a_run_leaves_no_process_and_a_job_that_goes_on(tmp_path: Path) -> None:
    port, long_job = free_port(), {**SMALL_JOB, "pretrain": {"epochs": 1000}}
    with running(tmp_path / "data", port) as (up, _):
        with Client(f"http://127.0.0.1:{port}") as client:
            job_id = client.submit(long_job)["id"]
            for event in client.events(job_id):
                if event["type"] == "epoch_finished":
                    break
        family = descendants(up.pid)
        up.send_signal(signal.SIGINT)
        assert up.wait(120) == 0
    assert all_gone(family)
    with running(tmp_path / "data", port), Client(f"http://127.0.0.1:{port}") as client:
        job = client.job(job_id)
        assert job["state"] in ("queued", "running")
        assert job["attempts_used"] == 0
        client.cancel(job_id)
        assert client.wait(job_id, timeout=60, every=0.2)["state"] == "cancelled"


def test_a_process_that_dies_is_named_and_takes_the_other_with_it(tmp_path: Path) -> None:
    """Before it dies, the service also refuses to be started twice."""
    port = free_port()
    with running(tmp_path / "data", port) as (up, _):
        second = up_once("--data-dir", str(tmp_path / "data"), "--port", str(free_port()))
        assert second.returncode == 1
        assert "is in use by process" in second.stderr and f":{port}" in second.stderr
        family = descendants(up.pid)
        os.kill(child_of(up.pid, "worker"), signal.SIGKILL)
        assert up.wait(120) == 1
        assert up.stdout is not None
        said = up.stdout.read()
    assert "the worker process ended (killed by SIGKILL)" in said
    assert "worker.log" in said
    assert all_gone(family)


def test_a_busy_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = up_once("--data-dir", str(tmp_path / "data"), "--port", str(port))
    assert done.returncode == 1
    assert f"cannot listen on '127.0.0.1' port {port}" in done.stderr and "--port" in done.stderr
    assert not (tmp_path / "data" / "logs").exists()


def test_the_network_gets_nothing_without_a_key(tmp_path: Path) -> None:
    done = up_once("--data-dir", str(tmp_path / "data"), "--host", "0.0.0.0", "--port", str(free_port()))
    assert done.returncode == 1
    assert "the api process ended" in done.stderr
    assert "without a single API key" in done.stderr and "jobs keys create" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_cannot_be_made_ready_is_explained(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cartl.sqlite3").write_text("this is no database")
    done = up_once("--data-dir", str(tmp_path / "data"), "--port", str(free_port()))
    assert done.returncode == 1
    assert "the database could not be made ready" in done.stderr and "api.log" in done.stderr
