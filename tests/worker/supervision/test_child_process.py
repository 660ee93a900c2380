"""What a run and the Celery process are started with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cartl_core.planning.estimates.rates import RATES, Machine, Measurement, summarise
from cartl_core.spec import JobSpec
from jobs.settings import Settings
from jobs.store import Claim
from tests.factories import make_runtime, make_spec
from worker.__main__ import arguments
from worker.supervision.child_command import environment, prepare, threads


@pytest.mark.parametrize(
    ("inherited", "spins"),
    [
        ({}, "10000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, None),
        ({"OMP_NUM_THREADS": "2"}, "10000"),
    ],
)
def test_threads_of_a_run_spin_briefly_unless_somebody_has_set_how_they_wait(
    inherited: dict[str, str], spins: str | None
) -> None:
    given = environment(Settings(), inherited)
    assert given.get("GOMP_SPINCOUNT") == spins
    assert {name: given[name] for name in inherited} == inherited


def spec() -> JobSpec:
    return make_spec(freeze_depth=1, source="mnist")


def test_a_run_gets_what_it_needs_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTL_DATABASE_URL", "postgresql://user:password@host/db")
    settings = Settings(data_dir=tmp_path, threads=3, device="cpu", lease_seconds=7.0)
    runtime = make_runtime(threads=3)
    claim = Claim(job_id="j", owner="ada", token=5, attempt=2, worker_id="w", spec=spec(), runtime=runtime)
    launch = prepare(settings, claim)
    assert not [name for name in launch.environment if name.startswith("CARTL_")]
    assert launch.environment["CUDA_VISIBLE_DEVICES"] == ""
    options = dict(zip(launch.command[5::1], launch.command[6::1], strict=False))
    assert (options["--threads"], options["--silence-limit"]) == ("3", "7.0")
    assert JobSpec.model_validate_json(Path(launch.command[4]).read_bytes()) == claim.spec
    assert json.loads(Path(options["--runtime"]).read_text()) == runtime.model_dump(mode="json")
    assert launch.out == settings.artifacts_dir / "j" / "5"
    assert launch.log == settings.artifacts_dir / "j" / "logs" / "attempt-2.log"
    assert "--no-download" not in launch.command
    assert "--rates" not in launch.command, "nothing was measured yet"
    assert "--no-download" in prepare(settings.model_copy(update={"download": False}), claim).command
    assert "--image" not in launch.command
    monkeypatch.setenv("CARTL_IMAGE_DIGEST", f"sha256:{'e' * 64}")
    command = prepare(Settings(data_dir=tmp_path), claim).command
    assert command[command.index("--image") + 1] == "e" * 64
    assert "--attack-precision" not in command
    monkeypatch.setenv("CARTL_ATTACK_PRECISION", "fp32")
    command = prepare(Settings(data_dir=tmp_path), claim).command
    assert command[command.index("--attack-precision") + 1] == "fp32"


def test_a_run_is_told_what_stages_have_taken(tmp_path: Path) -> None:
    here = Machine("cpu", "a processor", 2, "fp32")
    rates = summarise([Measurement(here, "teacher", 20, 1e9, 10.0, 3.0)])
    claim = Claim(
        job_id="j", owner="ada", token=5, attempt=1, worker_id="w", spec=spec(), runtime=None, rates=rates
    )
    command = prepare(Settings(data_dir=tmp_path), claim).command
    file = Path(command[command.index("--rates") + 1])
    assert RATES.validate_json(file.read_bytes()) == rates


def test_a_run_sees_the_gpu_of_its_slot_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    settings = Settings(data_dir=tmp_path, devices="cuda:0,cuda:1")
    claim = Claim(
        job_id="j", owner="ada", token=1, attempt=1, worker_id="w", spec=spec(), runtime=None, device="cuda:1"
    )
    assert prepare(settings, claim).environment["CUDA_VISIBLE_DEVICES"] == "5"


def test_slots_share_the_cores(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    assert threads(Settings(data_dir=tmp_path)) == cores
    assert threads(Settings(data_dir=tmp_path, slots=cores)) == 1
    assert threads(Settings(data_dir=tmp_path, slots=1000)) == 1
    assert threads(Settings(data_dir=tmp_path, devices="cpu,cpu")) == max(1, cores // 2)


def test_the_command_line_has_one_pool_process_a_slot(tmp_path: Path) -> None:
    flags = arguments(Settings(data_dir=tmp_path, slots=4), "w")
    assert {"--concurrency=4", "--pool=prefork", "--without-gossip", "--without-mingle"} <= set(flags)


def test_importing_the_application_makes_no_file_and_needs_no_torch(tmp_path: Path) -> None:
    code = "import sys, worker.app; assert not {'torch', 'torchvision', 'safetensors'} & set(sys.modules)"
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "CARTL_DATA_DIR": str(tmp_path / "data")},
        check=True,
        timeout=60,
    )
    assert list(tmp_path.iterdir()) == []


def test_celery_finds_the_application_by_its_module(tmp_path: Path) -> None:
    code = (
        "from celery.app.utils import find_app; app = find_app('worker.app');"
        "assert app is find_app('worker.app'); assert 'cartl.doorbell' in app.tasks;"
        "assert app.conf.task_acks_late is False"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CARTL_DATA_DIR": str(tmp_path)},
        check=True,
        timeout=60,
    )
