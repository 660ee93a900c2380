"""What a second thread is worth to a small network: ``python -m benchmarks.side_by_side``.

Steps of adversarial training (WRN-16-2, 128 images, PGD-4) by turns: one training on one thread, one on two
threads, and two trainings side by side on one thread each. Milliseconds a step, medians over the rounds: of
wall time, divided by the number of trainings, and of processor time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cartl_core.attacks import perturb
from cartl_core.nn.build import build_network
from cartl_core.nn.rng import generator
from cartl_core.planning.estimates.costs import macs_of_a_pass
from cartl_core.spec import ModelSpec

IMAGES, CLASSES = 128, 6
EPS, STEP, STEPS = 0.1, 0.035, 4


@dataclass(frozen=True)
class Training:
    """A network under training, and its one batch."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, model: ModelSpec, seed: int) -> Training:
        """One that has not begun."""
        network = build_network(model, CLASSES, (0.3,), (0.3,), generator(seed, "network"))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        shape = (IMAGES, model.channels, model.image_size, model.image_size)
        images = torch.rand(shape, generator=generator(seed, "images"))
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
        images = images.contiguous(memory_format=torch.channels_last)
        return cls(network, optimizer, images, torch.arange(IMAGES) % CLASSES)

    def step(self) -> None:
        """Attack the batch, then learn from it."""
        attacked = perturb(
            self.network, self.images, self.labels, eps=EPS, step=STEP, steps=STEPS, start=None
        )
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.network(attacked), self.labels).backward()
        self.optimizer.step()


def steps_of(training: Training, count: int, threads: int) -> None:
    """So many steps in this thread; each thread keeps a number of threads of its own."""
    torch.set_num_threads(threads)
    for _ in range(count):
        training.step()


def side_by_side(trainings: tuple[Training, ...], count: int) -> None:
    """So many steps of each, all at the same time."""
    workers = [threading.Thread(target=steps_of, args=(one, count, 1)) for one in trainings]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def timed(work: Callable[[], None], steps: int) -> tuple[float, float]:
    """Milliseconds a step of wall time and of processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    ended = time.perf_counter() - wall, time.process_time() - processor
    return 1000 * ended[0] / steps, 1000 * ended[1] / steps


def main() -> None:
    """Print a row for each way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side", description=__doc__)
    parser.add_argument("--stride", type=int, default=4, help="of the stem (4)")
    parser.add_argument("--size", type=int, default=28, help="of the images (28)")
    parser.add_argument("--steps", type=int, default=4, help="of each training in a round (4)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    model = ModelSpec(name="wrn-16-2", stem_stride=options.stride, image_size=options.size, channels=1)
    one, two = Training.of(model, 0), Training.of(model, 1)
    ways: dict[str, tuple[Callable[[], None], int]] = {
        "one on one thread": (lambda: steps_of(one, options.steps, 1), options.steps),
        "one on two threads": (lambda: steps_of(one, options.steps, 2), options.steps),
        "two side by side": (lambda: side_by_side((one, two), options.steps), 2 * options.steps),
    }
    for training in (one, two):
        training.step()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, (work, steps) in ways.items():
            found[name].append(timed(work, steps))
    sys.stdout.write(f"{macs_of_a_pass(model) / 1e6:.1f} million multiply-adds a pass; ")
    sys.stdout.write(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    for name, times in found.items():
        wall, processor = (statistics.median(column) for column in zip(*times, strict=True))
        sys.stdout.write(f"{name:<20}{wall:>8.0f} ms a step, {processor:.0f} ms of processor time\n")


if __name__ == "__main__":
    main()
