"""``python -m study.rivals.teacher_step``: what a step of a stronger teacher's training costs.

Adversarial training of a WRN-16-4, stem stride 1, 32 x 32 pixels, batch 128, PGD with two steps; one thread,
processor time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import torch

from cartl_core.attacks import perturb
from cartl_core.nn.build import build_network
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from cartl_core.spec.datasets import COLOUR_EPS, DATASETS

MODEL = ModelSpec(name="wrn-16-4", stem_stride=1, image_size=32, channels=3)
BATCH, INNER_STEPS, IMAGES, HOURS = 128, 2, 50_000, 3


def main(arguments: list[str]) -> int:
    """Print seconds a step, and how many epochs over CIFAR's training images ``HOURS`` hours are."""
    parser = argparse.ArgumentParser(prog="python -m study.rivals.teacher_step", description=__doc__)
    parser.add_argument("--steps", type=int, default=3, help="timed, after one that is not")
    parser.add_argument("--batch", type=int, default=BATCH)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    seconds = statistics.median(step_seconds(asked.steps, asked.batch))
    epochs = HOURS * 3600 / (seconds * IMAGES / asked.batch)
    took = f"{seconds:.2f} s a step of {asked.batch} images"
    sys.stdout.write(f"{took}; {epochs:.2f} epochs of {IMAGES:,} images in {HOURS} h\n")
    return 0


def step_seconds(steps: int, batch: int) -> list[float]:
    """Processor seconds of each step; the first step of all is not counted."""
    facts = DATASETS["cifar100"]
    network = build_network(MODEL, len(facts.classes), facts.mean, facts.std, generator(100, "network"))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    random = generator(100, "images")
    images = torch.rand(batch, 3, 32, 32, generator=random)
    labels = torch.randint(len(facts.classes), (batch,), generator=random)
    found = []
    for _ in range(steps + 1):
        began = time.process_time()
        network.eval()
        start = (2 * torch.rand(images.shape, generator=random) - 1) * COLOUR_EPS
        moved = perturb(
            network, images, labels, eps=COLOUR_EPS, step=0.75 * COLOUR_EPS, steps=INNER_STEPS, start=start
        )
        network.train()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(moved), labels).backward()
        optimizer.step()
        found.append(time.process_time() - began)
    return found[1:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
