"""``fetch``: download a data set of the catalog."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cartl_core.catalog import DATASETS
from cartl_core.commands.exit_codes import FAILED, FINISHED
from cartl_core.data import fetch_dataset
from cartl_core.errors import JobError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    parser.add_argument("name", choices=sorted(DATASETS))
    parser.add_argument("--data-root", type=Path, default=Path("data"))


def main(options: argparse.Namespace) -> int:
    """Download; returns the exit code."""
    try:
        said = fetch_dataset(options.name, options.data_root)
    except JobError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    sys.stdout.write(f"{said}\n")
    return FINISHED
