"""What of a processor can change the last bits of a sum, as words: no comparison mixes two of them."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import torch

from study.rows import Row

FACTS = ("vendor_id", "cpu family", "model", "flags")
"""Lines of Linux's list of processors that decide which kernels are taken."""
UNKNOWN = "not recorded"
"""Of rows that were written before the processor was."""


def processor(listed: Path = Path("/proc/cpuinfo")) -> str:
    """Architecture, vector instructions, and a digest that tells one model from another and names none.

    E.g. ``x86_64, AVX2, no AMX, 0123abcd``.
    """
    amx = "AMX" if torch.cpu._is_amx_tile_supported() else "no AMX"
    return f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, {amx}, {_digest(listed)}"


def one_processor(rows: Iterable[Row], what: str) -> str:
    """The processor that all of ``rows`` were made on; ``UNKNOWN`` is one like any other.

    Raises:
        ValueError: there are two, or there is no row.
    """
    found = sorted({row.get("processor", UNKNOWN) for row in rows})
    if len(found) != 1:
        raise ValueError(
            f"{what}: rows of {len(found)} processors ({'; '.join(found)}) are not compared: their last bits "
            "differ. Run all cells of a pair and seed on one."
        )
    return str(found[0])


def _digest(listed: Path) -> str:
    facts: dict[str, str] = {}
    if listed.is_file():
        for line in listed.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in FACTS:
                facts.setdefault(name.strip(), value.strip())
    return sha256(repr(sorted(facts.items())).encode()).hexdigest()[:8]
