"""Files of results, one a row: each cell as it was measured last, with the machine and the command."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.ratios.contest import Contest, Outcome, Row

FOLDER = Path(__file__).resolve().parents[1] / "results" / "ratios"
DIGITS = 4


def machine() -> str:
    """What of it decides a ratio; never its name. For example ``2 cores, AVX2, no AMX, no GPU``."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    amx = "AMX" if torch.cpu._is_amx_tile_supported() else "no AMX"
    return f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}, {amx}, {gpu}"


def record(folder: Path, row: Row, cell: str, contest: Contest, outcome: Outcome, command: str) -> None:
    """Put a cell into the row's file; other cells of the row stay as they are."""
    path = folder / f"{row.name}.json"
    known = json.loads(path.read_text(encoding="utf-8"))["cells"] if path.is_file() else {}
    known[cell] = {
        "facts": dict(contest.facts),
        "rounds": outcome.rounds,
        "ours": _short(outcome.ours),
        "rivals": {
            name: {key: _short(value) for key, value in asdict(its).items()}
            for name, its in outcome.rivals.items()
        },
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "date": datetime.now(UTC).date().isoformat(),
        "command": command,
    }
    cells = {name: known[name] for name in row.cells if name in known}
    told = {"what": row.what, "against": row.against, "aim": row.aim, "unit": row.unit, "cells": cells}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read(folder: Path, row: Row) -> Mapping[str, Any] | None:
    """The row's file; None where it was never measured."""
    path = folder / f"{row.name}.json"
    if not path.is_file():
        return None
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
