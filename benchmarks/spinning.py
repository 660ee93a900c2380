"""How threads of a run should wait for each other: ``python -m benchmarks.spinning [--steps N] [--busy N]``.

Times a forward and backward pass of two threads (WRN-16-2, stem stride 4, 128 images of 28 x 28) in a process
of its own for each setting of OpenMP, first with the machine as it is, then beside busy processes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "GOMP_SPINCOUNT=100000": {"GOMP_SPINCOUNT": "100000"},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
}
OURS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
THREADS, IMAGES, SIZE = 2, 128, 28
SPIN = "while True: pass"


def step_seconds(steps: int) -> float:
    """Median time of one pass in this process, after one that warms up."""
    import torch

    from cartl_core.nn.build import build_network
    from cartl_core.nn.rng import generator
    from cartl_core.spec import ModelSpec

    torch.set_num_threads(THREADS)
    model = ModelSpec(name="wrn-16-2", stem_stride=4, image_size=SIZE, channels=1)
    network = build_network(model, 10, (0.3,), (0.3,), generator(0, "network"))
    images = torch.rand(IMAGES, 1, SIZE, SIZE)
    labels = torch.arange(IMAGES) % 10
    times = []
    for _ in range(steps + 1):
        began = time.perf_counter()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def measured(setting: dict[str, str], steps: int) -> float:
    """The same in a process with this setting: OpenMP reads it once."""
    inherited = {name: value for name, value in os.environ.items() if name not in OURS}
    command = [sys.executable, "-m", "benchmarks.spinning", "--one", "--steps", str(steps)]
    told = subprocess.run(command, env={**inherited, **setting}, capture_output=True, text=True, check=True)
    return float(told.stdout)


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes that compute all the time."""
    busy = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def main() -> None:
    """Print a row for each setting."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spinning", description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--busy", type=int, default=8, help="processes beside it")
    parser.add_argument("--one", action="store_true", help="only this process's own median, in seconds")
    options = parser.parse_args()
    if options.one:
        sys.stdout.write(f"{step_seconds(options.steps)}\n")
        return
    load = os.getloadavg()[0]
    sys.stdout.write(
        f"load before: {load:.1f}\n{'setting':<26}{'as it is':>12}{f'{options.busy} busy':>12}\n"
    )
    for name, setting in SETTINGS.items():
        alone = measured(setting, options.steps)
        with neighbours(options.busy):
            beside = measured(setting, options.steps)
        sys.stdout.write(f"{name:<26}{1000 * alone:>9.0f} ms{1000 * beside:>9.0f} ms\n")


if __name__ == "__main__":
    main()
