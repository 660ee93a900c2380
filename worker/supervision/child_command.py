"""What is needed to start a job's process: directories, files, the command line, the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cartl_core.compat.openmp import bound_spinning
from cartl_core.planning.estimates.rates import RATES
from jobs.devices import visible_gpu
from jobs.files.artifacts import log_file, output_directory
from jobs.settings import Settings
from jobs.store import Claim

VISIBLE = "CUDA_VISIBLE_DEVICES"
SECRET_PREFIXES = ("AWS_", "CARTL_", "MLFLOW_", "WANDB_")
"""Settings of the deployment, its trackers and its object store hold passwords; a run needs none of them."""


@dataclass(frozen=True)
class Launch:
    """A process to start.

    Attributes:
        out: the claim's own directory for files; another claim of the same job gets another one.
        log: takes the process's stderr; one file an attempt.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    out: Path
    log: Path


Prepare = Callable[[Settings, Claim], Launch]


def prepare(settings: Settings, claim: Claim) -> Launch:
    """Write the specification and the runtime where the process will find them.

    Raises:
        OSError: a file cannot be written.
    """
    out = output_directory(settings, claim.job_id, claim.token)
    settings.stages_dir.mkdir(parents=True, exist_ok=True)
    spec = out / "spec.json"
    spec.write_text(claim.spec.model_dump_json(indent=1), encoding="utf-8")
    command = [sys.executable, "-m", "cartl_core", "run", str(spec)]
    command += ["--out", str(out), "--progress", "jsonl", "--supervised"]
    command += ["--run-id", str(claim.job_id)]
    command += ["--silence-limit", str(settings.lease_seconds), "--threads", str(threads(settings))]
    command += ["--stages", str(settings.stages_dir), "--data-root", str(settings.data_root)]
    command += ["--checkpoint-seconds", str(settings.checkpoint_seconds)]
    command += ["--scratch-bytes", str(settings.scratch_bytes)]
    command += ["--feature-cache-bytes", str(settings.feature_cache_bytes)]
    if settings.evaluation_shards > 1:
        command += ["--shards", str(settings.evaluation_shards)]
    if settings.attack_precision != "auto":
        command += ["--attack-precision", settings.attack_precision]
    if settings.image_digest:
        command += ["--image", settings.image_digest]
    if not settings.download:
        command.append("--no-download")
    if claim.network is not None:
        command += ["--network", str(settings.artifacts_dir / claim.network)]
    for dataset, pack in claim.packs:
        command += ["--dataset", f"{dataset}={settings.artifacts_dir / pack}"]
    if claim.teacher is not None:
        command += ["--teacher", str(settings.artifacts_dir / claim.teacher)]
    if claim.runtime is not None:
        runtime = out / "runtime.json"
        runtime.write_text(claim.runtime.model_dump_json(indent=1), encoding="utf-8")
        command += ["--runtime", str(runtime)]
    if claim.rates:
        rates = out / "rates.json"
        rates.write_bytes(RATES.dump_json(claim.rates))
        command += ["--rates", str(rates)]
    return Launch(
        command=tuple(command),
        environment=environment(settings, os.environ, claim.device),
        out=out,
        log=log_file(settings, claim.job_id, claim.attempt),
    )


def threads(settings: Settings) -> int:
    """CPU threads of one run: as set, else an equal share of the cores that this process may use."""
    return settings.threads or max(1, len(os.sched_getaffinity(0)) // len(settings.worker_slots))


def environment(
    settings: Settings, inherited: Mapping[str, str], device: str | None = None
) -> dict[str, str]:
    """The worker's environment without the deployment's settings; a run sees no GPU but that of its slot.

    Without a ``device`` it sees what the worker does, and in a CPU deployment none. Threads that wait for
    each other do not spin for long, unless somebody has set how they wait.
    """
    kept = {name: value for name, value in inherited.items() if not name.upper().startswith(SECRET_PREFIXES)}
    if device is not None or settings.device == "cpu":
        kept[VISIBLE] = visible_gpu(device, inherited.get(VISIBLE))
    bound_spinning(kept)
    return kept
