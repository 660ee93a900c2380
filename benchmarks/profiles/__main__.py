"""``python -m benchmarks.profiles NAME``: profile it, write its file and print its table."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.profiles.cases import PROFILES, Places
from benchmarks.profiles.shares import matrix_gflops, shares_of
from benchmarks.profiles.tables import lines, path_of
from benchmarks.ratios.results import machine

PRODUCTS = 5


def main(arguments: list[str]) -> None:
    """Profile what was named, on one thread."""
    asked = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    profiled = PROFILES[asked.name](Places(asked.networks, asked.data_root))
    found: dict[str, Any] = {
        "case": profiled.what,
        "machine": machine(),
        "torch": torch.__version__,
        "matrix_gflops": matrix_gflops(PRODUCTS),
        "contestants": {who: shares_of(way, profiled.rounds) for who, way in profiled.ways.items()},
    }
    path_of(asked.name).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(lines(found)) + "\n")


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.profiles", description=__doc__)
    made.add_argument("name", choices=list(PROFILES))
    made.add_argument(
        "--networks", type=Path, default=Path(".cartl/bench"), help="those of `make bench-attacks`"
    )
    made.add_argument("--data-root", type=Path, default=Path(".cartl/data"))
    return made


if __name__ == "__main__":
    main(sys.argv[1:])
