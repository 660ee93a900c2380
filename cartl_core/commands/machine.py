"""``machine``: what this machine computes on, whether that works, and which data sets lie here, as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from cartl_core.catalog import DATASETS
from cartl_core.commands.exit_codes import FINISHED
from cartl_core.data.sources import find
from cartl_core.errors import describe_error
from cartl_core.run.runtime import of_machine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command."""
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="where data sets lie")


def main(options: argparse.Namespace) -> int:
    """Look around; returns the exit code."""
    runtime = of_machine("auto", "auto", os.cpu_count() or 1)
    told = {
        "runtime": runtime.model_dump(mode="json"),
        "trouble": _trouble(runtime.device),
        "memory_bytes": _memory(runtime.device),
        "datasets": {name: _is_there(name, options.data_root) for name in DATASETS},
    }
    sys.stdout.write(json.dumps(told) + "\n")
    return FINISHED


def _trouble(device: str) -> str | None:
    """What goes wrong in a small computation on the device; None where nothing does."""
    try:
        x = torch.ones(2, 3, 8, 8, device=device)
        torch.nn.functional.conv2d(x, torch.ones(4, 3, 3, 3, device=device)).sum().item()
    except (RuntimeError, OSError) as error:
        return describe_error(error)
    return None


def _memory(device: str) -> int | None:
    """Of the GPU, in bytes."""
    return torch.cuda.get_device_properties(0).total_memory if device == "cuda" else None


def _is_there(name: str, root: Path) -> bool:
    """Whether its files are found; files that cannot be read are none."""
    found: Any = None
    try:
        found = find(name, root)
    except (OSError, ValueError):
        return False
    return found is not None
