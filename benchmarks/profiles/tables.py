"""The tables of where the time goes, made from the files of results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "results" / "profiles"
NAMES = ("fdm-step", "consistent-epoch", "pgd-100")


def path_of(name: str) -> Path:
    """The file of a profile."""
    return FOLDER / f"{name}.json"


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """A table, and what stands above it."""
    contestants = found["contestants"]
    yield f"{found['case']}; one thread of {found['machine']}."
    yield ""
    yield f"| | {' | '.join(contestants)} |"
    yield "|---|" + "---|" * len(contestants)
    for kind in next(iter(contestants.values()))["shares"]:
        shares = " | ".join(f"{100 * its['shares'][kind]:.0f} %" for its in contestants.values())
        yield f"| {kind} | {shares} |"
    yield f"| processor seconds | {' | '.join(str(its['processor_s']) for its in contestants.values())} |"
    rates = " | ".join(str(its["convolution_gflops"]) for its in contestants.values())
    yield f"| GFLOP/s of the convolutions (a product of matrices: {found['matrix_gflops']}) | {rates} |"


def table(name: str) -> str:
    """The table of one file."""
    return "\n".join(lines(json.loads(path_of(name).read_text(encoding="utf-8")))) + "\n"
