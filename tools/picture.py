"""The picture of the architecture, drawn from the import contracts: ``python -m tools.picture`` writes it.

The contracts in ``pyproject.toml`` say which package may import which, and which need no torch. So the
picture cannot show an order that the tests do not hold.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "figures" / "architecture.svg"
TITLES = {
    "api": "HTTP front end",
    "worker": "claims jobs, supervises runs",
    "cartl": "command and client, over HTTP",
    "jobs": "the record of a run: SQL, queue, files, settings",
    "commands": "subcommands of python -m cartl_core",
    "run": "pipeline, runtime, outputs, supervised mode",
    "evaluation": "attacks and diagnostics on finished networks",
    "training": "training loop, pretraining, transfer",
    "data": "data sets as tensors",
    "attacks": "attacks as functions",
    "nn": "networks as blocks, files, losses, NEFT, bounds",
    "execution": "context of a stage, checkpoints, memory errors",
    "compat": "what is done for single systems alone",
    "storage": "the store of bytes, stage results, stage cache",
    "analysis": "outcomes per image to report",
    "render": "report to text, HTML, figures",
    "planning": "request to specification to stages",
    "events": "what a run tells while it works",
    "statistics": "intervals, tests, selection rules",
    "catalog": "data sets, networks, methods, presets",
    "report": "the report as values",
    "spec": "what a job is",
    "strict_json": "JSON from outside, read within bounds",
    "errors": "what can go wrong",
}
WIDTH, HEIGHT, GAP, MARGIN, HEAD = 860, 34, 8, 20, 62
FRONT, FREE, TORCH = "#e9edf2", "#e3f0e6", "#dcebfa"
INK, QUIET = "#1b2430", "#55606c"
FONT = "font-family='DejaVu Sans, Arial, sans-serif'"


def main() -> int:
    """Write the picture."""
    PICTURE.write_text(drawn(), encoding="utf-8")
    return 0


def drawn() -> str:
    """The SVG: the packages of the service above the rooms of the library, a line a layer."""
    contracts = _contracts()
    services, rooms = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    free = _torch_free(contracts)
    lines = list(_service(services))
    top = HEAD + len(lines) * (HEIGHT + GAP) + 34
    parts = [_note(MARGIN, HEAD - 36, "Each package imports only what stands below it.", INK, 13)]
    parts += [_note(MARGIN, HEAD - 16, "Green and grey: no torch. Blue: needs torch.", QUIET, 11)]
    for place, names in enumerate(lines):
        parts += _layer(HEAD + place * (HEIGHT + GAP), names, dict.fromkeys(names, FRONT))
    parts.append(_note(MARGIN, top - 10, "cartl_core, the library", INK, 13))
    for place, layer in enumerate(rooms):
        names = layer.split(" | ")
        colours = {name: FREE if name in free else TORCH for name in names}
        parts += _layer(top + place * (HEIGHT + GAP), names, colours)
    height = top + len(rooms) * (HEIGHT + GAP) + MARGIN - GAP
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' "
        f"viewBox='0 0 {WIDTH} {height}' role='img' aria-label='Packages and their order'>\n"
        f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>\n"
    )
    return head + "\n".join(parts) + "\n</svg>\n"


def _contracts() -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


def _service(layers: list[str]) -> Iterator[list[str]]:
    """The packages above the library, which has lines of its own."""
    return (layer.split(" | ") for layer in layers if layer != "cartl_core")


def _torch_free(contracts: list[dict[str, Any]]) -> set[str]:
    """The rooms of the library that a contract forbids to import torch."""
    return {
        module.removeprefix("cartl_core.")
        for contract in contracts
        if contract["type"] == "forbidden" and "torch" in contract["forbidden_modules"]
        for module in contract["source_modules"]
        if module.startswith("cartl_core.")
    }


def _layer(top: int, names: list[str], colours: dict[str, str]) -> Iterator[str]:
    width = (WIDTH - 2 * MARGIN - GAP * (len(names) - 1)) / len(names)
    for place, name in enumerate(names):
        left = MARGIN + place * (width + GAP)
        yield (
            f"<rect x='{left:.1f}' y='{top}' width='{width:.1f}' height='{HEIGHT}' rx='4' "
            f"fill='{colours[name]}' stroke='#b9c3cd'/>"
        )
        yield _note(left + 10, top + 21, name, INK, 13)
        yield _note(left + 22 + 8.2 * len(name), top + 21, TITLES[name], QUIET, 10.5)


def _note(left: float, bottom: float, text: str, colour: str, size: float) -> str:
    return (
        f"<text x='{left:.1f}' y='{bottom}' {FONT} font-size='{size}' fill='{colour}'>{escape(text)}</text>"
    )


if __name__ == "__main__":
    sys.exit(main())
