"""``check-dataset``: look at a data set that a person brings, and make a pack of it.

DIR/pack is the pack, whole or not there; DIR/result.json says what was found or why the data set was
rejected, which is an answer and no failure.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from cartl_core.commands.arguments import make_folders, read_json
from cartl_core.commands.exit_codes import FAILED, FINISHED, STOPPED, WRONG_SPEC
from cartl_core.commands.progress import REPORTERS, stopped_by_signals
from cartl_core.data.incoming import check_dataset
from cartl_core.errors import Interruption, JobError, SpecError, describe_error
from cartl_core.events import Progress
from cartl_core.spec.faults import first_fault
from cartl_core.spec.resources.dataset import DatasetCheckOrder
from cartl_core.storage.atomic_write import write_whole
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stop_flag import StopFlag

RESULT = "result.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    parser.add_argument("--order", type=Path, required=True, help="JSON of what is to be done")
    content = parser.add_mutually_exclusive_group(required=True)
    content.add_argument("--content", type=Path, help="an archive or an .npz file")
    content.add_argument("--root", type=Path, help="a folder that stays where it is")
    parser.add_argument("--out", type=Path, required=True, help="where pack and result.json go")
    parser.add_argument("--progress", choices=sorted(REPORTERS), default="jsonl")


def main(options: argparse.Namespace) -> int:
    """Check; returns the exit code, 0 for a rejection as well."""
    report, stop = REPORTERS[options.progress](), StopFlag()
    with stopped_by_signals(stop):
        try:
            order, source = _read_order(options.order), _source(options)
            make_folders(out=options.out)

            def tell(fraction: float) -> None:
                stop.check()
                report(Progress(stage="evaluate", label=f"data set {order.name}", fraction=fraction))

            result = check_dataset(order, source, options.out, tell)
            with disk_faults(RESULT):
                write_whole(options.out / RESULT, result.model_dump_json().encode())
        except SpecError as error:
            sys.stderr.write(f"{error}\n")
            return WRONG_SPEC
        except (JobError, OSError) as error:
            sys.stderr.write(f"the data set cannot be checked: {describe_error(error)}\n")
            return FAILED
        except Interruption:
            return STOPPED
    return FINISHED


def _source(options: argparse.Namespace) -> Path:
    """The content or the folder, which must be what the argument says."""
    source: Path = options.content or options.root
    if options.root and source.exists() and not source.is_dir():
        raise SpecError("root", f"{source.name} is no folder", allowed="a folder")
    if options.content and source.is_dir():
        raise SpecError("content", f"{source.name} is a folder", allowed="a file, or --root")
    return source


def _read_order(path: Path) -> DatasetCheckOrder:
    written = read_json(path, "order")
    try:
        return DatasetCheckOrder.model_validate(written)
    except ValidationError as error:
        raise first_fault(DatasetCheckOrder, error, written, whole="order") from error
