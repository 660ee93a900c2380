"""Our attacks beside those of other libraries: same networks, images, radii and steps, in one run.

    python -m benchmarks.attacks --networks DIR --data-root DIR --out benchmarks/results/attacks.json

For each network and norm a radius is sought at which about 20, 50 and 75 % of the images stand. There
everyone runs PGD with so many steps of a tenth of the radius. Time is processor time of one thread, in
interleaved rounds, medians; wall time is kept besides. What fell is judged by us alike for all: an image
counts as broken when the network, as it is, gets the returned image wrong and it lies in the ball. Peers
run as their documentation shows them, and once more with network and images in channels_last.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.attack_networks import NETWORKS, images, networks
from benchmarks.attack_peers import PEERS, torchattacks_autoattack, versions
from cartl_core.attacks import confirmed, fused, misclassified, pgd, random_starts
from cartl_core.ensembles import ENSEMBLES
from cartl_core.spec import AttackSpec

LEVELS = (0.2, 0.5, 0.75)
SHORTER = 10
"""A step is the radius over this."""
SLACK = 1e-4
"""Part of the radius that rounding may add to a peer's perturbation."""
HALVINGS, SOUGHT_STEPS = 9, 40
LARGEST = {"linf": 0.5, "l2": 4.0}
LAYOUTS = {"as given": torch.contiguous_format, "channels_last": torch.channels_last}


def main() -> None:
    """Run what the options say and write the table."""
    options = _options()
    torch.set_num_threads(1)
    x, y = images(options.data_root, options.images)
    wanted = {cell.split(":")[0] for cell in options.cells}
    trained = networks(wanted, options.networks, options.data_root)
    _warm_up(trained, x[:8], y[:8])
    cells, ensembles = [], []
    for cell in options.cells:
        name, norm, level = cell.split(":")
        network, target = trained[name], float(level) / 100
        if float((~misclassified(network(x), y)).float().mean()) <= target:
            _say(f"{cell} is left out: fewer are right without an attack")
            continue
        eps = radius(network, x, y, norm, target)
        found = pgd_cell(network, x, y, norm, eps, options)
        cells.append({"network": name, "norm": norm, "sought": target, "eps": eps, **found})
        _say(f"{cell} eps {eps:.4f}: {json.dumps(found)}")
        if cell in options.autoattack_cells:
            part = slice(0, options.autoattack_images)
            both = autoattack_cell(network, x[part], y[part], norm, eps, options)
            ensembles.append({"network": name, "norm": norm, "eps": eps, "n": len(x[part]), **both})
            _say(f"{cell} AutoAttack: {json.dumps(both)}")
        options.out.write_text(json.dumps(_result(options, cells, ensembles), indent=1) + "\n")


def _warm_up(trained: dict[str, nn.Module], x: Tensor, y: Tensor) -> None:
    """Everybody's imports and first kernels, which no round should pay for."""
    for network in trained.values():
        for _, peer, norms in PEERS.values():
            for norm in norms:
                peer(network, x, y, norm, 0.01, 0.001, 1)


def radius(network: nn.Module, x: Tensor, y: Tensor, norm: str, target: float) -> float:
    """Where about ``target`` of the images stand against a short attack, by bisection."""
    low, high = 0.0, LARGEST[norm]
    for _ in range(HALVINGS):
        eps = (low + high) / 2
        standing = float((~ours(fused(network), x, y, norm, eps, SOUGHT_STEPS)).float().mean())
        low, high = (eps, high) if standing > target else (low, eps)
    return high


def ours(double: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float, steps: int) -> Tensor:
    """(N,) bool: who falls to a short attack of ours."""
    attack = AttackSpec.model_validate(
        {"label": "pgd", "norm": norm, "eps": eps, "step": eps / SHORTER, "steps": steps}
    )
    return pgd(double, x, y, attack, starts=_starts(x, attack)).broken


def pgd_cell(
    network: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float, options: argparse.Namespace
) -> dict[str, Any]:
    """Everyone's PGD at one radius, round by round; robust accuracy and seconds by name."""
    step, steps = eps / SHORTER, options.steps
    attack = AttackSpec.model_validate(
        {"label": "pgd", "norm": norm, "eps": eps, "step": step, "steps": steps}
    )
    runs: dict[str, Callable[[], Tensor]] = {"cartl": partial(_ours, network, x, y, attack)}
    runs["cartl, network as it is"] = partial(_plain, network, x, y, attack)
    for name, (_, peer, norms) in PEERS.items():
        if norm in norms:
            for layout, memory in LAYOUTS.items():
                if layout == "as given" or name in options.channels_last:
                    runs[f"{name}, {layout}"] = partial(
                        _peer, peer, network, x, y, norm, eps, step, steps, memory
                    )
    return _rounds(runs, options.rounds, len(x))


def autoattack_cell(
    network: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float, options: argparse.Namespace
) -> dict[str, Any]:
    """Our AutoAttack and torchattacks': as it comes, and with the standard's 100 steps."""
    runs: dict[str, Callable[[], Tensor]] = {"cartl": partial(_autoattack, network, x, y, norm, eps)}
    for name, steps in (("torchattacks, as it comes", None), ("torchattacks, 100 steps", 100)):
        found = torchattacks_autoattack(steps)
        runs[name] = lambda found=found: _judged(network, x, y, norm, eps, found(network, x, y, norm, eps))
    return _rounds(runs, 1, len(x))


def _ours(network: nn.Module, x: Tensor, y: Tensor, attack: AttackSpec) -> Tensor:
    """As the evaluation stage does it, the making of the double included."""
    network = network.to(memory_format=torch.channels_last)
    double = fused(network).to(memory_format=torch.channels_last)
    x = x.to(memory_format=torch.channels_last)
    return confirmed(network, double, x, y, attack, seed=0, label="pgd", indices=torch.arange(len(x))).broken


def _plain(network: nn.Module, x: Tensor, y: Tensor, attack: AttackSpec) -> Tensor:
    """What leaving the batch alone brings: contiguous, nothing folded."""
    network = network.to(memory_format=torch.contiguous_format)
    return pgd(network, x, y, attack, starts=_starts(x, attack)).broken


def _peer(
    peer: Any,
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str,
    eps: float,
    step: float,
    steps: int,
    memory: Any,
) -> Tensor:
    network = network.to(memory_format=memory)
    moved = peer(network, x.to(memory_format=memory), y, norm, eps, step, steps)
    return _judged(network, x, y, norm, eps, moved)


def _autoattack(network: nn.Module, x: Tensor, y: Tensor, norm: Any, eps: float) -> Tensor:
    """Each attack on what the earlier ones left."""
    double, fallen = fused(network), torch.zeros(len(x), dtype=torch.bool)
    for attack in ENSEMBLES["autoattack"].expand(norm, eps, int(network(x[:1]).shape[1])):
        fallen = confirmed(
            network,
            double,
            x,
            y,
            attack,
            seed=0,
            label=attack.label,
            indices=torch.arange(len(x)),
            skip=fallen,
        ).broken
    return fallen


def _judged(network: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float, moved: Tensor) -> Tensor:
    """(N,) bool: wrong as it was, or wrong as it became, inside the ball."""
    order = {"linf": torch.inf, "l2": 2}[norm]
    inside = torch.linalg.vector_norm((moved - x).flatten(1), ord=order, dim=1) <= eps * (1 + SLACK)
    with torch.no_grad():
        return misclassified(network(x), y) | (misclassified(network(moved), y) & inside)


def _starts(x: Tensor, attack: AttackSpec) -> Callable[[int], Tensor]:
    def starts(restart: int) -> Tensor:
        return random_starts(
            x.shape[1:],
            attack.eps,
            seed=0,
            label="pgd",
            restart=restart,
            indices=range(len(x)),
            norm=attack.norm,
        )

    return starts


def _rounds(runs: dict[str, Callable[[], Tensor]], rounds: int, count: int) -> dict[str, Any]:
    """Everybody once a round; medians of processor and wall seconds, and who stands, by name."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    walls: dict[str, list[float]] = {name: [] for name in runs}
    robust: dict[str, float] = {}
    for _ in range(rounds):
        for name, run in runs.items():
            torch.manual_seed(0)
            wall, processor = time.monotonic(), time.process_time()
            broken = run()
            seconds[name].append(time.process_time() - processor)
            walls[name].append(time.monotonic() - wall)
            robust[name] = 1 - int(broken.sum()) / count
    return {
        name: {
            "robust": round(robust[name], 4),
            "processor_s": round(statistics.median(seconds[name]), 3),
            "wall_s": round(statistics.median(walls[name]), 3),
        }
        for name in runs
    }


def _result(
    options: argparse.Namespace, cells: list[dict[str, Any]], ensembles: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "command": f"make bench-attacks OPTIONS='{' '.join(_without_folders(sys.argv[1:]))}'",
        "n": options.images,
        "steps": options.steps,
        "rounds": options.rounds,
        "threads": 1,
        "precision": "fp32",
        "machine": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "python": platform.python_version(),
        "versions": versions(),
        "pgd": cells,
        "autoattack": ensembles,
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
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cells", nargs="*", default=every, help="network:norm:percent that stand")
    parser.add_argument("--channels-last", nargs="*", default=list(PEERS), help="peers to run in it, too")
    parser.add_argument("--autoattack-cells", nargs="*", default=["robust:linf:50", "neft:l2:50"])
    parser.add_argument("--autoattack-images", type=int, default=64)
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
