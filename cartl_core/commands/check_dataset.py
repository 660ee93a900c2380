"""``check-dataset``: look at a data set that a person brings, and make a pack of it.

DIR/pack is the pack, whole or not there; DIR/result.json says what was found or why the data set was
rejected, which is an answer and no failure. On stdout: ``{"fraction": 0.25}``, one a line, twice a second.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pydantic import ValidationError

from cartl_core.commands.arguments import read_json
from cartl_core.commands.exit_codes import FAILED, FINISHED, WRONG_SPEC
from cartl_core.data.incoming import check_dataset
from cartl_core.errors import DiskFull, SpecError, describe_error
from cartl_core.spec.faults import first_fault
from cartl_core.spec.resources.dataset import DatasetCheckOrder
from cartl_core.storage.atomic_write import write_whole
from cartl_core.storage.disk_errors import disk_faults

RESULT = "result.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    parser.add_argument("--order", type=Path, required=True, metavar="ORDER.json")
    content = parser.add_mutually_exclusive_group(required=True)
    content.add_argument("--content", type=Path, metavar="FILE", help="an archive or an .npz file")
    content.add_argument("--root", type=Path, metavar="DIR", help="a folder that stays where it is")
    parser.add_argument("--out", type=Path, required=True, help="where pack and result.json go")


def main(options: argparse.Namespace) -> int:
    """Check; returns the exit code, which is 0 for a data set that was rejected, too."""
    try:
        order = _read_order(options.order)
        source = _source(options)
        result = check_dataset(order, source, options.out, _tell)
        with disk_faults(RESULT):
            write_whole(options.out / RESULT, result.model_dump_json(indent=2).encode())
    except SpecError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_SPEC
    except (DiskFull, OSError) as error:
        sys.stderr.write(f"the data set cannot be checked: {describe_error(error)}\n")
        return FAILED
    return FINISHED


def _tell(fraction: float) -> None:
    sys.stdout.write(json.dumps({"fraction": round(fraction, 4)}) + "\n")
    sys.stdout.flush()


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
