"""``verify-teacher``: take a teacher's file in and measure it; the result says how it ended."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from cartl_core.commands.arguments import make_folders, read_json, threads
from cartl_core.commands.exit_codes import FAILED, FINISHED, STOPPED, WRONG_SPEC
from cartl_core.commands.progress import REPORTERS, stopped_by_signals
from cartl_core.errors import Interruption, JobError, SpecError
from cartl_core.events import Progress
from cartl_core.run import runtime as machine
from cartl_core.run.check_teacher import TestSource, check_teacher
from cartl_core.spec.faults import first_fault
from cartl_core.spec.resources.teacher import TeacherCheckOrder
from cartl_core.storage.atomic_write import write_whole
from cartl_core.storage.stop_flag import StopFlag

RESULT = "result.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    parser.add_argument("--order", type=Path, required=True, help="JSON of what is to be done")
    parser.add_argument("--content", type=Path, required=True, help="the file as it was uploaded")
    parser.add_argument(
        "--out", type=Path, required=True, help="where network.safetensors and result.json go"
    )
    parser.add_argument(
        "--data-root", type=Path, default=Path("data"), help="where data sets lie (default: data)"
    )
    parser.add_argument("--pack", type=Path, help="the kept images of a data set of one's own to verify on")
    parser.add_argument("--no-download", action="store_true", help="refuse a data set that is missing")
    parser.add_argument("--progress", choices=sorted(REPORTERS), default="jsonl")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=threads, default=1, help="CPU threads (default: 1)")


def main(options: argparse.Namespace) -> int:
    """Verify; returns the exit code, 0 for a rejection as well."""
    report, stop = REPORTERS[options.progress](), StopFlag()
    with stopped_by_signals(stop):
        try:
            order = _read_order(options.order)
            make_folders(out=options.out)
            runtime = machine.of_machine(options.device, "fp32", options.threads)
            machine.enter(runtime)
            label = f"teacher {order.new.name}"
            result = check_teacher(
                order,
                options.content,
                options.out,
                TestSource(options.data_root, options.pack, not options.no_download),
                device=runtime.device,
                progress=lambda done: report(Progress(stage="evaluate", label=label, fraction=done)),
                stop=stop,
            )
            write_whole(options.out / RESULT, result.model_dump_json().encode())
        except SpecError as error:
            sys.stderr.write(f"{error}\n")
            return WRONG_SPEC
        except (JobError, OSError) as error:
            sys.stderr.write(f"{error}\n")
            return FAILED
        except Interruption:
            return STOPPED
    return FINISHED


def _read_order(path: Path) -> TeacherCheckOrder:
    written = read_json(path, "order")
    try:
        return TeacherCheckOrder.model_validate(written)
    except ValidationError as error:
        raise first_fault(TeacherCheckOrder, error, written, whole="order") from error
