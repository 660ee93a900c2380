"""The library as a command: ``python -m cartl_core run SPEC.json --out DIR`` and ``... fetch NAME``.

Exit codes: 0 finished, 1 failed, 2 the specification is wrong, 3 stopped and can go on later, 4 the
listener was gone. Events are told by ``--progress``; all else that is said goes to stderr.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from cartl_core.catalog import DATASETS
from cartl_core.catalog.network_file import inspect
from cartl_core.data import fetch_dataset
from cartl_core.errors import (
    Cancelled,
    Interruption,
    JobError,
    SpecError,
    WaitingForStage,
)
from cartl_core.events import Failed, Finished, Reporter, Stopped
from cartl_core.planning.existing_network import resolve_existing_network
from cartl_core.planning.resolve import resolve
from cartl_core.planning.scratch import DEFAULT_SCRATCH_BYTES
from cartl_core.report.notices import Notice, RuntimeChanged
from cartl_core.run import runtime as machine
from cartl_core.run.console import Console
from cartl_core.run.pipeline import run
from cartl_core.run.supervised import LOST_SUPERVISOR, JsonLines, Orders, SupervisedStageCache
from cartl_core.spec import JobRequest, JobSpec, Runtime
from cartl_core.spec.existing_network import EvaluateJobSpec, request_class
from cartl_core.spec.faults import first_fault
from cartl_core.storage.stage_cache import LocalStageCache, StageCache
from cartl_core.storage.stop_flag import StopFlag
from cartl_core.strict_json import JsonRefused, read_file

FINISHED, FAILED, WRONG_SPEC, STOPPED = 0, 1, 2, 3

LONGEST_SECONDS = 1e9
MOST_BYTES = 2**50

# No more than the kind: an error's own words may name files of this machine.
BROKE = "the program made a mistake; the log has the trace"

log = logging.getLogger("cartl_core")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    options = command_line().parse_args(arguments)
    code: int = options.command(options)
    return code


def _run(options: argparse.Namespace) -> int:
    report: Reporter = _REPORTERS[options.progress]()
    stop = StopFlag()
    stages = options.stages or options.out / "stages"
    orders: Orders | None = None
    cache: StageCache = LocalStageCache(stages, report, stop)
    if options.supervised:
        orders = Orders(sys.stdin, stop, silence_limit=options.silence_limit)
        orders.start()
        cache = SupervisedStageCache(stages, report, orders)
    with _signals(stop):
        try:
            return _tell(options, cache, report, stop)
        except BrokenPipeError:
            # Nobody reads the events any more. Python flushes stdout once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return LOST_SUPERVISOR
        finally:
            if orders:
                orders.finish()


def _tell(options: argparse.Namespace, cache: StageCache, report: Reporter, stop: StopFlag) -> int:
    """Run, and say how it ended: an event and an exit code."""
    started = time.monotonic()
    try:
        spec = _read_spec(options.spec, options.network)
        _make_folders(out=options.out, stages=options.stages or options.out / "stages")
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
            network=options.network,
            run_id=options.run_id,
            scratch_bytes=options.scratch_bytes,
        )
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


@contextmanager
def _signals(stop: StopFlag) -> Iterator[None]:
    """Within: an interrupt or a termination asks the run to checkpoint and stop."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.request("interrupted")) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _fetch(options: argparse.Namespace) -> int:
    try:
        said = fetch_dataset(options.name, options.data_root)
    except JobError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    sys.stdout.write(f"{said}\n")
    return FINISHED


def _read_spec(path: Path, network: Path | None) -> JobSpec | EvaluateJobSpec:
    """A request or a resolved specification, resolved; an evaluation by what its network's file says."""
    written = _read_json(path, "spec")
    kind = request_class(written)
    try:
        request = kind.model_validate(written)
    except ValidationError as error:
        raise first_fault(kind, error, written, whole="spec") from error
    if isinstance(request, JobRequest):
        return resolve(request)
    if network is None:
        raise SpecError("network", "an evaluation needs a file", allowed="--network FILE.safetensors")
    try:
        return resolve_existing_network(request, inspect(network))
    except OSError as error:
        raise SpecError("network", f"{network.name} cannot be read: {error.strerror}") from error


def _make_folders(**folders: Path) -> None:
    """Before anything is computed, whatever was named must be there to be written to."""
    for argument, folder in folders.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpecError(argument, f"{folder.name} cannot be made: {error.strerror}") from error


def _read_json(path: Path, argument: str) -> object:
    try:
        return read_file(path)
    except JsonRefused as error:
        raise SpecError(argument, f"{path.name} cannot be read as JSON: {error}") from error
    except OSError as error:
        raise SpecError(argument, f"{path.name} cannot be read: {error.strerror}") from error


def _runtime(
    spec: JobSpec | EvaluateJobSpec, options: argparse.Namespace
) -> tuple[Runtime, tuple[Notice, ...]]:
    """This machine's runtime, or the recorded one as far as this machine allows."""
    here = machine.resolve(spec, threads=options.threads)
    if options.runtime is None:
        return here, ()
    written = _read_json(options.runtime, "runtime")
    try:
        recorded = Runtime.model_validate(written)
    except ValidationError as error:
        fault = first_fault(Runtime, error, written)
        raise SpecError("runtime", f"{options.runtime.name} is no recorded runtime: {fault}") from error
    runtime, changed = machine.settle(recorded, here)
    if not changed:
        return runtime, ()
    return runtime, (RuntimeChanged(changed=changed),)


def _stopped(interruption: Interruption) -> Stopped:
    if isinstance(interruption, WaitingForStage):
        return Stopped(why="waiting", waiting_for=interruption.digest)
    return Stopped(why="cancelled" if isinstance(interruption, Cancelled) else "interrupted")


def _json_lines() -> Reporter:
    return JsonLines(sys.stdout)


def _silent() -> Reporter:
    return lambda event: None


_REPORTERS = {"jsonl": _json_lines, "human": Console, "none": _silent}


def _threads(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) > 0):
        raise argparse.ArgumentTypeError("allowed: a whole number from 1 to 9999")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"allowed: a number of seconds, 0 to {LONGEST_SECONDS:.0f}")
    return seconds


def _bytes(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= MOST_BYTES):
        raise argparse.ArgumentTypeError(f"allowed: a whole number of bytes, 0 to {MOST_BYTES}")
    return int(text)


def command_line() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = argparse.ArgumentParser(prog="python -m cartl_core", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run", help="run a job from data to report")
    one.set_defaults(command=_run)
    one.add_argument(
        "spec", type=Path, metavar="SPEC.json", help="a job request, or a resolved specification"
    )
    one.add_argument("--network", type=Path, help="the file that a job of kind evaluate measures")
    one.add_argument("--out", type=Path, required=True, help="where report, weights and outcomes go")
    one.add_argument("--stages", type=Path, help="where stages are kept (default: OUT/stages)")
    one.add_argument(
        "--data-root", type=Path, default=Path("data"), help="where data sets lie (default: data)"
    )
    one.add_argument("--progress", choices=sorted(_REPORTERS), default="human")
    one.add_argument("--runtime", type=Path, help="JSON of the runtime that an earlier attempt resolved")
    one.add_argument("--run-id", help="the same for all attempts of one job (default: by OUT and SPEC)")
    one.add_argument("--threads", type=_threads, help="CPU threads (default: all that this process may use)")
    one.add_argument(
        "--checkpoint-seconds", type=_seconds, default=30.0, help="longest time between two checkpoints"
    )
    one.add_argument(
        "--scratch-bytes",
        type=_bytes,
        default=DEFAULT_SCRATCH_BYTES,
        help="largest array kept beside the results while a stage runs, in a file without a name in STAGES",
    )
    one.add_argument("--no-download", action="store_true", help="refuse a data set that is missing")
    one.add_argument("--supervised", action="store_true", help="take orders from stdin")
    one.add_argument("--silence-limit", type=_seconds, help="end after so many seconds without an order")
    two = commands.add_parser("fetch", help="download a data set")
    two.set_defaults(command=_fetch)
    two.add_argument("name", choices=sorted(DATASETS))
    two.add_argument("--data-root", type=Path, default=Path("data"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
