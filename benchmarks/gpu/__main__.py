"""Every figure of the GPU's column: ``python -m benchmarks.gpu --data-root ROOT --out FOLDER``.

Needs no network and ends within ``--minutes``. Prints each row and writes them to FOLDER/gpu.json; in the
time that is left it trains a teacher on all of ``--dataset`` (a folder of ROOT, as ``cartl_core`` reads it)
and saves it in pieces of at most 15 MiB; ``python -m benchmarks.gpu --join FOLDER`` makes one file of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import capture, teacher
from benchmarks.gpu.place import FULL, TINY, Setting
from benchmarks.gpu.rows import ROWS
from benchmarks.ratios.results import machine
from cartl_core.errors import CartlError

SMALLEST_SHARE = 0.25
"""Of the time: rows begin before so much of it is left, which is the teacher's."""


def main(arguments: list[str]) -> int:
    """Measure, write, train; returns the exit code."""
    began, options = time.monotonic(), _options(arguments)
    if options.join:
        _say(f"{teacher.join(options.join)}")
        return 0
    setting: Setting = TINY if options.tiny else FULL
    if setting.device == "cuda" and not torch.cuda.is_available():
        _say("this machine has no usable GPU; --tiny rehearses on the processor")
        return 1
    deadline = began + 60 * options.minutes
    found: dict[str, Any] = {"machine": machine(), "torch": torch.__version__, "rehearsal": options.tiny}
    options.out.mkdir(parents=True, exist_ok=True)
    for name, measure in {**ROWS, "ways_of_a_pass": capture.compare}.items():
        if time.monotonic() > deadline - SMALLEST_SHARE * 60 * options.minutes:
            found[name] = {"left_out": "out of time"}
        else:
            found[name] = measure(setting)
        _tell(options.out, name, found)
    if options.dataset:
        try:
            found["teacher"] = teacher.train(
                setting, options.dataset, options.data_root, options.out / "teacher", deadline
            )
        except CartlError as error:
            found["teacher"] = {"left_out": str(error)}
        _tell(options.out, "teacher", found)
    return 0


def _tell(out: Path, name: str, found: dict[str, Any]) -> None:
    _say(f"{name}: {json.dumps(found[name])}")
    (out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--dataset", help="cifar10 or cifar100; none: no teacher is trained")
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="folder of gpu.json and teacher/")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--tiny", action="store_true", help="rehearse on the processor; figures mean nothing")
    parser.add_argument("--join", type=Path, metavar="FOLDER", help="only put a teacher's pieces together")
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
