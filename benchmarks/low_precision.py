"""Both verdicts of PGD-100: in fp32 from its first step, and begun in bf16 and finished in fp32.

    python -m benchmarks.low_precision --networks DIR --data-root DIR

For each network and norm the radius is sought at which about half of the images stand, and kept beside the
networks. There the attack is run in both ways, batch by batch by turns, and once more within the preset
`pgd100` (PGD-20 besides, in fp32 either way). Where the processor does not multiply bf16, its results are
rounded instead (``benchmarks.rounded_bf16``): then verdicts and passes count, and no time is told. Results go
to benchmarks/results/low-precision.json, and from there ``--page`` makes the table in
docs/explanation/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.attack_networks import NETWORKS, images, networks
from benchmarks.attack_runs import pgd_spec
from benchmarks.attacks import radius
from benchmarks.low_precision_page import FILE, PAGE, filled
from benchmarks.ratios.results import machine
from benchmarks.rounded_bf16 import RoundedBf16
from cartl_core.attacks import AttackOutcome, LowPrecision, attack_begun_low, attack_with_surrogate
from cartl_core.attacks import fold_batch_norm as fold
from cartl_core.nn.network import Network
from cartl_core.run.runtime import multiplies_bf16

STEPS, SHORT_STEPS = 100, 20
LEVEL = 50
"""Per cent of the images that stand, about."""
BATCH = 128
CELLS = [f"{name}:{norm}" for norm in ("linf", "l2") for name in NETWORKS]
BF16: dict[str, type[LowPrecision]] = {"hardware": LowPrecision, "rounded": RoundedBf16}


@dataclass
class Way:
    """What one way of attacking found and cost, over all batches."""

    broken: list[Tensor] = field(default_factory=list)
    processor_s: float = 0.0
    passes: dict[str, int] = field(default_factory=lambda: {"fp32": 0, "bf16": 0})

    @property
    def fell(self) -> Tensor:
        """(n,) bool."""
        return torch.cat(self.broken)

    def take(self, attack: Callable[[], AttackOutcome]) -> Tensor:
        """Run it on one batch; (rows,) bool: broken."""
        began = time.process_time()
        found = attack()
        self.processor_s += time.process_time() - began
        self.broken.append(found.broken)
        return found.broken


class Contest:
    """One network in one norm: its copies, and images sent through each of them."""

    def __init__(self, network: Network, bf16: type[LowPrecision]) -> None:
        layout = torch.channels_last
        self.network: Network = network.to(memory_format=layout)  # type: ignore[call-overload]
        self.surrogate: Network = fold(self.network).to(memory_format=layout)
        self.low = bf16(self.surrogate)
        self.now: Way | None = None
        for module, precision in ((self.network, "fp32"), (self.surrogate, "fp32"), (self.low, "bf16")):
            module.register_forward_hook(self._counting(precision))

    def _counting(self, precision: str) -> Callable[..., None]:
        def count(module: Any, inputs: Any, logits: Tensor) -> None:
            if self.now is not None:
                self.now.passes[precision] += len(logits)

        return count

    def run(self, way: Way, x: Tensor, y: Tensor, first: int, *, norm: str, eps: float, low: bool) -> Tensor:
        """PGD-100 on one batch, whose first image is number ``first``; (rows,) bool: broken."""
        attack = pgd_spec(norm, eps, STEPS)
        at = torch.arange(first, first + len(x))
        self.now = way
        if low:
            return way.take(
                lambda: attack_begun_low(
                    self.low, self.network, self.surrogate, x, y, attack, seed=0, label="pgd", indices=at
                )
            )
        return way.take(
            lambda: attack_with_surrogate(
                self.network, self.surrogate, x, y, attack, seed=0, label="pgd", indices=at
            )
        )

    def short(self, x: Tensor, y: Tensor, first: int, *, norm: str, eps: float) -> Tensor:
        """The preset's other attack, PGD-20; (rows,) bool: broken."""
        self.now = None
        attack, at = pgd_spec(norm, eps, SHORT_STEPS), torch.arange(first, first + len(x))
        found = attack_with_surrogate(
            self.network, self.surrogate, x, y, attack, seed=0, label="pgd20", indices=at
        )
        return found.broken


def cell(contest: Contest, x: Tensor, y: Tensor, norm: str, eps: float, *, timed: bool) -> dict[str, Any]:
    """Both ways on all images, a batch at a time by turns."""
    ways = {False: Way(), True: Way()}
    short: list[Tensor] = []
    for first in range(0, len(x), BATCH):
        part = slice(first, first + BATCH)
        given = x[part].contiguous(memory_format=torch.channels_last)
        for low, way in ways.items():
            contest.run(way, given, y[part], first, norm=norm, eps=eps, low=low)
        short.append(contest.short(given, y[part], first, norm=norm, eps=eps))
    plain, begun = ways[False], ways[True]
    besides = torch.cat(short)
    return {
        "n": len(x),
        "pgd100": _verdicts(plain.fell, begun.fell),
        "preset pgd100": _verdicts(plain.fell | besides, begun.fell | besides),
        "passes": {"fp32": plain.passes["fp32"], "begun in bf16": begun.passes},
        "processor_s": {"fp32": plain.processor_s, "begun in bf16": begun.processor_s} if timed else None,
    }


def _verdicts(plain: Tensor, begun: Tensor) -> dict[str, int]:
    """How many images stand by each way, and how many only one of them broke."""
    return {
        "fp32_stand": int((~plain).sum()),
        "bf16_stand": int((~begun).sum()),
        "only_fp32_broke": int((plain & ~begun).sum()),
        "only_bf16_broke": int((begun & ~plain).sum()),
    }


def main(arguments: list[str]) -> int:
    """Measure what was asked for; 1 where ``--check`` finds another table in the page than the file gives."""
    options = _options(arguments)
    if options.page or options.check:
        before = PAGE.read_text(encoding="utf-8")
        after = filled(before)
        if options.page:
            PAGE.write_text(after, encoding="utf-8")
        return int(before != after and not options.page)
    torch.set_num_threads(1)
    hardware = multiplies_bf16("cpu")
    bf16 = options.bf16 or ("hardware" if hardware else "rounded")
    x, y = images(options.data_root, options.images)
    trained = networks({name.split(":")[0] for name in options.cells}, options.networks, options.data_root)
    known = json.loads(options.out.read_text())["cells"] if options.out.is_file() else {}
    for name in options.cells:
        of, norm = name.split(":")
        network = trained[of]
        assert isinstance(network, Network)
        eps = radius(network, x, y, f"{name}:{LEVEL}", options.networks)
        if eps is None:
            sys.stdout.write(f"{name} is left out: fewer than {LEVEL} % are right without an attack\n")
            continue
        found = cell(Contest(network, BF16[bf16]), x, y, norm, eps, timed=hardware and bf16 == "hardware")
        known[name] = {
            "eps": eps,
            "bf16": bf16,
            **found,
            "machine": machine(),
            "torch": version("torch"),
            "date": datetime.now(UTC).date().isoformat(),
            "command": shlex.join(["python", "-m", "benchmarks.low_precision", *_told(arguments)]),
        }
        sys.stdout.write(f"{name}: {json.dumps(known[name])}\n")
        sys.stdout.flush()
        options.out.write_text(json.dumps({"steps": STEPS, "cells": known}, indent=1) + "\n")
    return 0


def _told(arguments: list[str]) -> list[str]:
    """Without the folders."""
    folders = {"--networks", "--data-root", "--out"}
    before = ["", *arguments]
    return [word for last, word in zip(before, arguments, strict=False) if not {last, word} & folders]


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.low_precision", description=__doc__)
    parser.formatter_class = argparse.RawTextHelpFormatter
    parser.add_argument("--networks", type=Path, default=Path(".cartl/bench"), help="keeps what is trained")
    parser.add_argument("--data-root", type=Path, default=Path(".cartl/data"))
    parser.add_argument("--out", type=Path, default=FILE, help="the file of results")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--cells", nargs="*", choices=CELLS, default=CELLS, metavar="NETWORK:NORM")
    parser.add_argument("--bf16", choices=BF16, help="default: as the processor multiplies it, or rounded")
    parser.add_argument("--page", action="store_true", help="measure nothing; make the page's table anew")
    parser.add_argument("--check", action="store_true", help="measure nothing; fail where it has another")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
