"""Our attacks beside those of other libraries: same networks, images, radii and steps, in one run.

    python -m benchmarks.attacks --networks DIR --data-root DIR --out benchmarks/results/attacks.json

For each network and norm a radius is sought at which about 20, 50 and 75 % of the images stand, and kept
beside the networks. There everyone runs PGD with so many steps of a tenth of the radius. Time is processor
time of one thread, in interleaved rounds, medians; wall time is kept besides. What fell is judged by us
alike for all: an image counts as broken when the network, as it is, gets the returned image wrong and it
lies in the ball and in [0, 1]. Peers run as their documentation shows them, and once more with network and
images in channels_last. What a peer breaks and ours does not is attacked again from other random points.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.attack_networks import NETWORKS, images, networks
from benchmarks.attack_peers import AUTOATTACKS, PEERS, versions
from benchmarks.attack_runs import (
    Run,
    autoattack,
    fall_to_more_seeds,
    fall_to_more_starts,
    interleaved,
    judged,
    ours,
    pgd_spec,
    plain,
    theirs,
)
from cartl_core.attacks import misclassified

LEVELS = (0.2, 0.5, 0.75)
HALVINGS, SOUGHT_STEPS, SOUGHT_IMAGES = 7, 40, 128
LARGEST = {"linf": 0.25, "l2": 4.0}
LAYOUTS = {"as given": torch.contiguous_format, "channels_last": torch.channels_last}
RADII = "radii.json"


def main() -> None:
    """Run what the options say and write the table."""
    options = _options()
    torch.set_num_threads(1)
    deadline = time.monotonic() + 60 * options.minutes
    x, y = images(options.data_root, options.images)
    wanted = {cell.split(":")[0] for cell in (*options.cells, *options.autoattack_cells)}
    trained = networks(wanted, options.networks, options.data_root)
    radii = {
        cell: radius(trained[cell.split(":")[0]], x, y, cell, options.networks)
        for cell in dict.fromkeys((*options.cells, *options.autoattack_cells))
    }
    if options.only_radii:
        return
    _warm_up(trained, x[:8], y[:8])
    result: dict[str, Any] = {**_facts(options), "pgd": [], "autoattack": []}
    for kind, cells, measure in (
        ("pgd", options.cells, pgd_cell),
        ("autoattack", options.autoattack_cells, autoattack_cell),
    ):
        for cell in cells:
            eps = radii[cell]
            if eps is None or time.monotonic() > deadline:
                _say(f"{kind} {cell} is left out: {'out of time' if eps else 'fewer are right anyway'}")
                continue
            name, norm, level = cell.split(":")
            found = measure(trained[name], x, y, norm, eps, options, deadline)
            row = {"network": name, "norm": norm, "sought": float(level) / 100, "eps": eps, **found}
            result[kind].append(row)
            _say(f"{kind} {cell} eps {eps:.4f}: {json.dumps(found)}")
            options.out.write_text(json.dumps(result, indent=1) + "\n")


def _warm_up(trained: dict[str, nn.Module], x: Tensor, y: Tensor) -> None:
    """Everybody's imports and first kernels, which no round should pay for."""
    for network in trained.values():
        for _, peer, norms in PEERS.values():
            for norm in norms:
                peer(network, x, y, norm, 0.01, 0.001, 1)


def radius(network: nn.Module, x: Tensor, y: Tensor, cell: str, folder: Path) -> float | None:
    """Where about so many of the images stand against a short attack, by bisection, or as found before.

    None: fewer are right without an attack.
    """
    kept = folder / RADII
    known: dict[str, float | None] = json.loads(kept.read_text()) if kept.is_file() else {}
    if cell not in known:
        _, norm, level = cell.split(":")
        x, y, target = x[:SOUGHT_IMAGES], y[:SOUGHT_IMAGES], float(level) / 100
        low, high = 0.0, LARGEST[norm]
        for _ in range(HALVINGS):
            eps = (low + high) / 2
            standing = 1 - float(ours(network, x, y, pgd_spec(norm, eps, SOUGHT_STEPS)).double().mean())
            low, high = (eps, high) if standing > target else (low, eps)
        enough = float((~misclassified(network(x), y)).double().mean()) > target
        known[cell] = high if enough else None
        kept.write_text(json.dumps(known, indent=1) + "\n")
    return known[cell]


def pgd_cell(
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str,
    eps: float,
    options: argparse.Namespace,
    deadline: float,
) -> dict[str, Any]:
    """Everyone's PGD at one radius: what stands, seconds, and who breaks what others do not."""
    attack = pgd_spec(norm, eps, options.steps)
    runs: dict[str, Run] = {"cartl": partial(ours, network, x, y, attack)}
    runs["cartl, network as it is"] = partial(plain, network, x, y, attack)
    for name, (_, peer, norms) in PEERS.items():
        for layout, memory in LAYOUTS.items():
            if norm in norms and (layout == "as given" or name in options.channels_last):
                runs[f"{name}, {layout}"] = partial(theirs, peer, network, x, y, attack, memory)
    taken, rounds = interleaved(runs, options.rounds, deadline)
    mine = taken["cartl"].broken
    any_peer = torch.zeros_like(mine)
    found: dict[str, Any] = {"n": len(x), "rounds": rounds}
    for name, its in taken.items():
        found[name] = its.as_row()
        if not name.startswith("cartl"):
            found[name] |= {
                "breaks_what_ours_does_not": int((its.broken & ~mine).sum()),
                "leaves_what_ours_breaks": int((~its.broken & mine).sum()),
            }
            any_peer |= its.broken
    missed = any_peer & ~mine
    return found | {
        "some_peer_breaks_and_ours_does_not": int(missed.sum()),
        "of_these_ours_breaks_from_other_starts": fall_to_more_starts(network, x, y, attack, missed),
    }


def judged_peer(
    peer: Callable[[nn.Module, Tensor, Tensor, str, float], Tensor],
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str,
    eps: float,
) -> Tensor:
    """Which images a peer's AutoAttack breaks, by our own judgement of its images."""
    return judged(network, x, y, norm, eps, peer(network, x, y, norm, eps))


def autoattack_cell(
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str,
    eps: float,
    options: argparse.Namespace,
    deadline: float,
) -> dict[str, Any]:
    """Our AutoAttack, and those of the peers that were asked for."""
    x, y = x[: options.autoattack_images], y[: options.autoattack_images]
    runs: dict[str, Run] = {"cartl": partial(autoattack, network, x, y, norm, eps)}
    for name in options.autoattack_peers:
        runs[name] = partial(judged_peer, AUTOATTACKS[name][1], network, x, y, norm, eps)
    taken, _ = interleaved(runs, 1, deadline)
    mine = taken["cartl"].broken
    any_peer = torch.zeros_like(mine)
    found: dict[str, Any] = {"n": len(x)}
    for name, its in taken.items():
        found[name] = its.as_row()
        if name != "cartl":
            found[name]["breaks_what_ours_does_not"] = int((its.broken & ~mine).sum())
            found[name]["leaves_what_ours_breaks"] = int((~its.broken & mine).sum())
            any_peer |= its.broken
    missed = any_peer & ~mine
    return found | {
        "some_peer_breaks_and_ours_does_not": int(missed.sum()),
        "of_these_ours_breaks_with_other_seeds": fall_to_more_seeds(network, x, y, norm, eps, missed),
    }


def _facts(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "command": f"make bench-attacks OPTIONS='{' '.join(_without_folders(sys.argv[1:]))}'",
        "date": datetime.now(UTC).date().isoformat(),
        "steps": options.steps,
        "threads": 1,
        "precision": "fp32",
        "machine": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "python": platform.python_version(),
        "versions": versions(),
    }


def _without_folders(words: list[str]) -> list[str]:
    """The options that decide what is measured."""
    folders = ("--networks", "--data-root", "--out")
    before = ["", *words]
    return [word for last, word in zip(before, words, strict=False) if not {last, word} & {*folders}]


def _options() -> argparse.Namespace:
    every = [
        f"{name}:{norm}:{round(100 * level)}"
        for norm in ("linf", "l2")
        for name in NETWORKS
        for level in LEVELS
    ]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", type=Path, required=True, help="folder that keeps what is trained")
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60.0, help="no cell or round begins later")
    parser.add_argument("--cells", nargs="*", default=every, help="network:norm:percent that stand")
    parser.add_argument("--channels-last", nargs="*", default=list(PEERS), help="peers to run in it, too")
    parser.add_argument("--autoattack-cells", nargs="*", default=["robust:linf:50", "neft:l2:50"])
    parser.add_argument("--autoattack-images", type=int, default=64)
    parser.add_argument("--autoattack-peers", nargs="*", choices=list(AUTOATTACKS), default=list(AUTOATTACKS))
    parser.add_argument("--only-radii", action="store_true", help="train and seek the radii, measure nothing")
    options = parser.parse_args()
    unknown = [cell for cell in (*options.cells, *options.autoattack_cells) if cell not in every]
    if unknown:
        parser.error(f"no cell {unknown[0]}; allowed: {', '.join(every)}")
    return options


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
