"""A whole run, as one tells it: resolve the runtime, run the stages, publish the report."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cartl_core.data import load
from cartl_core.data.splits import DataSource
from cartl_core.events import Reporter, RuntimeResolved
from cartl_core.execution.checkpoint import DEFAULT_SECONDS
from cartl_core.execution.scratch import Scratch
from cartl_core.planning.estimates.scratch import DEFAULT_SCRATCH_BYTES
from cartl_core.planning.shards import WHOLE, FanOut
from cartl_core.planning.stage_digests import spec_digest
from cartl_core.report import Notice, Report
from cartl_core.run import runtime as machine
from cartl_core.run.attack_precision import choose
from cartl_core.run.evaluation_run import run_evaluation
from cartl_core.run.exports.export_student import export_student
from cartl_core.run.publish import Exporter, publish
from cartl_core.run.stage_runner import Services
from cartl_core.run.timing.expected import Timing
from cartl_core.run.transfer_run import run_transfer
from cartl_core.spec import JobSpec, Runtime
from cartl_core.spec.existing_network import EvaluateJobSpec
from cartl_core.storage.shared_arrays import SharedArrays
from cartl_core.storage.stage_cache import StageCache
from cartl_core.storage.stop_flag import StopFlag

NOTHING_MEASURED = Timing()


def run(
    spec: JobSpec | EvaluateJobSpec,
    *,
    cache: StageCache,
    data_root: Path,
    out: Path,
    report: Reporter = lambda event: None,
    stop: StopFlag | None = None,
    runtime: Runtime | None = None,
    remarks: tuple[Notice, ...] = (),
    checkpoint_seconds: float = DEFAULT_SECONDS,
    download: bool = True,
    network: Path | None = None,
    own_data: Mapping[str, DataSource] | None = None,
    run_id: str | None = None,
    scratch_bytes: int = DEFAULT_SCRATCH_BYTES,
    timing: Timing = NOTHING_MEASURED,
    exporter: Exporter | None = export_student,
    fan_out: FanOut = WHOLE,
    shared: SharedArrays | None = None,
) -> Report:
    """Run a job from data to report; what the cache has already is not computed again.

    Args:
        cache: where stages are kept.
        data_root: where data sets lie, or are downloaded to.
        out: where the report, the student's weights and the outcomes are written.
        report: told of everything that happens; from several threads where the runtime has several stages at
            a time.
        stop: may be raised from elsewhere; the run then checkpoints and raises the interruption.
        runtime: what an earlier attempt resolved; None resolves it for this machine.
        remarks: notices for the report that are known before the start.
        checkpoint_seconds: the longest time between two checkpoints.
        download: fetch a data set that is missing.
        network: the file that an evaluation measures, or that of the teacher which a transfer is given.
        own_data: data sets that people brought, by fingerprint; images in memory by their names in ``spec``.
        run_id: the same for all attempts of one job; None tells them by ``out`` and the specification.
        scratch_bytes: of one array that the run keeps beside its results, in a file without a name: displaced
            inputs, cached features, resized images.
        timing: what earlier runs have measured; nothing: the time left begins with a first guess.
        fan_out: which parts of measurements others compute, or which one this process does.
        shared: where features of a frozen trunk are looked for and left; None: each student makes its own.
        exporter: gives the student back in the forms that are asked for; None: its weights alone.

    Raises:
        SpecError: the machine cannot run this specification.
        JobError: the run failed in a way that would repeat.
        PartFinished: the one part that this process was to compute is written.
        Interruption: the run was stopped, or waits for another run; it can go on later.
    """
    runtime = runtime or choose(spec, machine.resolve(spec))
    machine.enter(runtime)
    report(RuntimeResolved(runtime=runtime))
    services = Services(
        runtime,
        cache,
        report,
        stop or StopFlag(),
        checkpoint_seconds,
        run_id or f"{out.resolve()} {spec_digest(spec)}",
        scratch_bytes,
        timing if exporter else replace(timing, exports=False),
        fan_out,
        shared,
    )
    loader = functools.partial(
        load,
        model=spec.model,
        data_root=data_root,
        seed=spec.seed,
        download=download,
        own=own_data,
        scratch=Scratch(out, scratch_bytes),
    )
    match spec:
        case JobSpec():
            done = run_transfer(spec, loader, services, network, remarks)
        case EvaluateJobSpec():
            done = run_evaluation(spec, loader, services, network, remarks)
    return publish(out, done, services, exporter)
