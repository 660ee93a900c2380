"""``run``: a job from data to report, told by events and an exit code."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from cartl_core.commands.arguments import (
    byte_count,
    dataset,
    image_digest,
    make_folders,
    read_json,
    seconds,
    threads,
)
from cartl_core.commands.exit_codes import FAILED, FINISHED, STOPPED, WRONG_SPEC
from cartl_core.commands.progress import REPORTERS, stopped_by_signals
from cartl_core.errors import (
    Cancelled,
    Interruption,
    JobError,
    PartFinished,
    SpecError,
    WaitingForStage,
)
from cartl_core.events import Failed, Finished, Reporter, Stopped
from cartl_core.planning.estimates.rates import RATES, MeasuredRate
from cartl_core.planning.estimates.scratch import DEFAULT_SCRATCH_BYTES
from cartl_core.planning.networks.existing_network import resolve_existing_network
from cartl_core.planning.resolve import resolve
from cartl_core.planning.shards import FanOut, read_shard
from cartl_core.report.notices import Notice, RuntimeChanged
from cartl_core.run import runtime as machine
from cartl_core.run.attack_precision import Asked, choose
from cartl_core.run.library.own_objects import Brought, inspected, pack_in
from cartl_core.run.pipeline import run
from cartl_core.run.supervised import LOST_SUPERVISOR, Orders, SupervisedStageCache
from cartl_core.run.timing.expected import Timing, process_began
from cartl_core.spec import JobRequest, JobSpec, Runtime
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec, request_class
from cartl_core.spec.faults import first_fault
from cartl_core.storage.shared_arrays import DEFAULT_BYTES, FOLDER, SharedArrays
from cartl_core.storage.stage_cache import LocalStageCache, StageCache
from cartl_core.storage.stop_flag import StopFlag

# No more than the kind: an error's own words may name files of this machine.
BROKE = "the program made a mistake; the log has the trace"

log = logging.getLogger("cartl_core")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    parser.add_argument(
        "spec", type=Path, metavar="SPEC.json", help="a job request, or a resolved specification"
    )
    parser.add_argument("--network", type=Path, help="the file that a job of kind evaluate measures")
    parser.add_argument("--teacher", type=Path, help="the network file of the teacher that a job is given")
    parser.add_argument(
        "--dataset",
        type=dataset,
        action="append",
        default=[],
        metavar="ID=DIR",
        help="a data set of your own by its id or name: the directory of its pack; repeatable",
    )
    parser.add_argument("--out", type=Path, required=True, help="where report, weights and outcomes go")
    parser.add_argument("--stages", type=Path, help="where stages are kept (default: OUT/stages)")
    parser.add_argument(
        "--data-root", type=Path, default=Path("data"), help="where data sets lie (default: data)"
    )
    parser.add_argument("--progress", choices=sorted(REPORTERS), default="human")
    parser.add_argument("--runtime", type=Path, help="JSON of the runtime that an earlier attempt resolved")
    parser.add_argument("--rates", type=Path, help="JSON of the rates that earlier runs have measured")
    parser.add_argument("--run-id", help="the same for all attempts of one job (default: by OUT and SPEC)")
    parser.add_argument(
        "--threads",
        type=threads,
        help="CPU threads of all stages together (default: all that this process may use)",
    )
    parser.add_argument(
        "--attack-precision",
        choices=get_args(Asked),
        default="auto",
        help="in which long attacks begin, where no runtime is recorded (default: as measured)",
    )
    parser.add_argument(
        "--image", type=image_digest, metavar="DIGEST", help="SHA-256 of the container image, for the report"
    )
    parser.add_argument(
        "--checkpoint-seconds", type=seconds, default=30.0, help="longest time between two checkpoints"
    )
    parser.add_argument(
        "--scratch-bytes",
        type=byte_count,
        default=DEFAULT_SCRATCH_BYTES,
        help="largest array kept beside the results while a stage runs, in a file without a name in STAGES",
    )
    parser.add_argument(
        "--feature-cache-bytes",
        type=byte_count,
        default=DEFAULT_BYTES,
        help="files in STAGES of features that runs share; 0: each student makes its own",
    )
    parser.add_argument("--no-download", action="store_true", help="refuse a data set that is missing")
    parser.add_argument(
        "--shards",
        type=threads,
        default=1,
        help="parts of an attack that other slots may compute (supervised)",
    )
    parser.add_argument("--shard", metavar="DIGEST:FIRST:LAST", help="compute this part of a stage, no more")
    parser.add_argument("--supervised", action="store_true", help="take orders from stdin")
    parser.add_argument("--silence-limit", type=seconds, help="end after so many seconds without an order")


def main(options: argparse.Namespace) -> int:
    """Run; returns the exit code."""
    report: Reporter = REPORTERS[options.progress]()
    stop = StopFlag()
    stages = _stages(options)
    orders: Orders | None = None
    cache: StageCache = LocalStageCache(stages, report, stop)
    if options.supervised:
        orders = Orders(sys.stdin, stop, silence_limit=options.silence_limit)
        orders.start()
        cache = SupervisedStageCache(stages, report, orders)
    with stopped_by_signals(stop):
        try:
            return _tell(options, cache, report, stop)
        except BrokenPipeError:
            # Nobody reads the events any more. Python flushes stdout once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return LOST_SUPERVISOR
        finally:
            if orders:
                orders.finish()


def _stages(options: argparse.Namespace) -> Path:
    stages: Path = options.stages or options.out / "stages"
    return stages


def _tell(options: argparse.Namespace, cache: StageCache, report: Reporter, stop: StopFlag) -> int:
    """Run, and say how it ended: an event and an exit code."""
    started = time.monotonic()
    try:
        brought = Brought({name: pack_in(directory) for name, directory in options.dataset})
        spec = _read_spec(options.spec, options.network, options.teacher, brought)
        make_folders(out=options.out, stages=_stages(options))
        runtime, remarks = _runtime(spec, options)
        run(
            spec,
            cache=cache,
            data_root=options.data_root,
            out=options.out,
            report=report,
            stop=stop,
            runtime=runtime,
            remarks=remarks,
            checkpoint_seconds=options.checkpoint_seconds,
            download=not options.no_download,
            scratch_bytes=options.scratch_bytes,
            shared=SharedArrays(_stages(options) / FOLDER, options.feature_cache_bytes),
            network=options.network or options.teacher,
            own_data=brought.images,
            run_id=options.run_id,
            timing=Timing(_rates(options.rates), process_began()),
            fan_out=FanOut(options.shards, read_shard(options.shard) if options.shard else None),
        )
    except PartFinished:
        report(Finished(seconds=time.monotonic() - started))
        return FINISHED
    except SpecError as error:
        report(Failed(reason="spec_invalid", message=str(error)))
        sys.stderr.write(f"{error}\n")
        return WRONG_SPEC
    except JobError as error:
        report(Failed(reason=error.reason, message=str(error)))
        sys.stderr.write(f"{error}\n")
        return FAILED
    except Interruption as interruption:
        report(_stopped(interruption))
        return STOPPED
    except BrokenPipeError:
        raise
    except Exception as error:
        # The border of the process: whatever it was, the one who listens must hear that it is over.
        log.exception("the run broke")
        report(Failed(reason="internal_error", message=f"{BROKE} ({type(error).__name__})"))
        return FAILED
    report(Finished(seconds=time.monotonic() - started))
    return FINISHED


def _read_spec(
    path: Path, network: Path | None, teacher: Path | None, brought: Brought
) -> JobSpec | EvaluateJobSpec:
    """A request or a resolved specification, resolved; an evaluation by what its network's file says."""
    written = read_json(path, "spec")
    kind = request_class(written)
    if kind is EvaluateJobRequest and isinstance(written, dict) and written.get("further"):
        # No request has the settings of each data set. The run itself refuses another network's file.
        try:
            return EvaluateJobSpec.model_validate(written)
        except ValidationError as error:
            raise first_fault(EvaluateJobSpec, error, written, whole="spec") from error
    try:
        request = kind.model_validate(written)
    except ValidationError as error:
        raise first_fault(kind, error, written, whole="spec") from error
    if isinstance(request, JobRequest):
        if teacher is not None and request.teacher is None:
            raise SpecError("teacher", "the specification names none", allowed="--teacher beside a teacher")
        files = {request.teacher.id: teacher} if request.teacher and teacher else {}
        return resolve(request, lookup=Brought(brought.datasets, files).lookup)
    if network is None:
        raise SpecError("network", "an evaluation needs a file", allowed="--network FILE.safetensors")
    files = {request.network.teacher: network} if request.network.teacher else {}
    lookup = Brought(brought.datasets, files).lookup
    return resolve_existing_network(request, inspected(network, "network"), lookup=lookup)


def _rates(path: Path | None) -> tuple[MeasuredRate, ...]:
    """What earlier runs have measured; nothing where no file is named."""
    if path is None:
        return ()
    try:
        return RATES.validate_python(read_json(path, "rates"))
    except ValidationError as error:
        raise SpecError(
            "rates", f"{path.name} holds no measured rates", allowed="as a worker writes"
        ) from error


def _runtime(
    spec: JobSpec | EvaluateJobSpec, options: argparse.Namespace
) -> tuple[Runtime, tuple[Notice, ...]]:
    """This machine's runtime, or the recorded one as far as this machine allows."""
    here = machine.resolve(spec, threads=options.threads, image=options.image)
    recorded = _recorded(options.runtime)
    if recorded is None or not machine.same_device(recorded, here):
        here = choose(spec, here, asked=options.attack_precision)
    if recorded is None:
        return here, ()
    runtime, changed = machine.settle(recorded, here)
    return runtime, (RuntimeChanged(changed=changed),) if changed else ()


def _recorded(path: Path | None) -> Runtime | None:
    """What an earlier attempt resolved; None where no file is named."""
    if path is None:
        return None
    written = read_json(path, "runtime")
    try:
        return Runtime.model_validate(written)
    except ValidationError as error:
        fault = first_fault(Runtime, error, written)
        raise SpecError("runtime", f"{path.name} is no recorded runtime: {fault}") from error


def _stopped(interruption: Interruption) -> Stopped:
    if isinstance(interruption, WaitingForStage):
        return Stopped(why="waiting", waiting_for=interruption.digest)
    return Stopped(why="cancelled" if isinstance(interruption, Cancelled) else "interrupted")
