"""How much memory does a student need whose data set is larger than memory? ``python -m benchmarks.memory``.

A pack of random images is written to disk, then ``consistent`` is tuned on it for some steps, as a job's
stage does it: displaced features for all images first, then training. What is measured is the peak of
anonymous memory (``RssAnon`` of Linux): pages of files are not in it, since the machine takes them back. It
exits with 1 where the peak is above ``--most-gib``.

The teacher is random, the network is small and its attack short: none of the three changes what is held of
the data. The pack is kept in ``--work`` and used again by a later call of the same size.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from cartl_core.catalog import DATASETS
from cartl_core.data import Loaded, load
from cartl_core.data.packed import FOUND, Pack, PackWriter, fingerprint_of
from cartl_core.data.packed_images import archive_of_pack
from cartl_core.errors import Interrupted
from cartl_core.execution.checkpoint import Checkpoints
from cartl_core.execution.scratch import Scratch
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.rng import generator
from cartl_core.planning.arms import resolve_transfer
from cartl_core.planning.estimates.scratch import DEFAULT_SCRATCH_BYTES
from cartl_core.planning.stage_digests import StageKey
from cartl_core.run.runtime import of_machine
from cartl_core.spec import Arm, DataSpec, ModelSpec
from cartl_core.spec.resources.dataset import (
    DataFacts,
    DatasetDefaults,
    DatasetReport,
    FoundDataset,
    Sizes,
    SplitName,
)
from cartl_core.storage.stop_flag import StopFlag
from cartl_core.training.transfer import transfer

GIB = 2**30
CLASSES = tuple(f"class {number}" for number in range(10))
ASIDE = 100
"""Validation images, and test images."""
SAMPLE_SECONDS = 0.005


@dataclass(frozen=True)
class Case:
    """What is measured: ``images`` of ``side`` x ``side`` x 3 for ``steps`` of ``batch`` images."""

    images: int
    side: int
    input_side: int
    steps: int
    batch: int
    network: str
    stem_stride: int
    freeze_depth: int
    attack_steps: int


@dataclass(frozen=True)
class Measured:
    """``peak`` of anonymous memory, what it was ``before`` the data were opened, both bytes; and seconds."""

    before: int
    peak: int
    steps: int
    seconds: float


def main() -> int:
    """Measure once; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".cartl/memory"), help="pack and scratch files")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--side", type=int, default=224, help="of the images on disk, pixels")
    parser.add_argument("--input-side", type=int, help="of the network's input (default: SIDE)")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--network", default="tiny")
    parser.add_argument("--stem-stride", type=int, default=4, choices=(1, 2, 4))
    parser.add_argument("--freeze-depth", type=int, default=2)
    parser.add_argument("--attack-steps", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--most-gib", type=float, default=3.0)
    given = vars(parser.parse_args())
    work, threads, most = given.pop("work"), given.pop("threads"), given.pop("most_gib")
    case = Case(**{**given, "input_side": given["input_side"] or given["side"]})
    torch.set_num_threads(threads)
    found = measure(case, work)
    floats = case.images * 3 * case.input_side**2 * 4
    sys.stdout.write(
        f"{case.images:,} images of {case.side} x {case.side} x 3, {floats / GIB:.2f} GiB as floats: peak of "
        f"{found.peak / GIB:.3f} GiB anonymous memory ({found.before / GIB:.3f} GiB before), "
        f"{found.steps} steps in {found.seconds:.0f} s\n"
    )
    return 0 if found.peak <= most * GIB else 1


def measure(case: Case, work: Path) -> Measured:
    """Write the pack where it is not there, tune on it, and give the peak."""
    pack = write_pack(work / f"pack-{case.images}-{case.side}", case)
    model = ModelSpec.model_validate(
        {"name": case.network, "image_size": case.input_side, "stem_stride": case.stem_stride, "channels": 3}
    )
    teacher = work / "teacher.safetensors"
    mean = (0.5, 0.5, 0.5)
    network = build_network(model, len(CLASSES), mean, mean, generator(0, "network"))
    save_network(teacher, network)
    arm, started = arm_of(case, network.block_count), time.monotonic()
    before = anonymous_bytes()
    stage = work / "stage"
    stage.mkdir(exist_ok=True)
    with watched() as peak:
        data = loaded(pack, model, stage)
        ctx, steps = context(stage, case.steps)
        with suppress(Interrupted):
            transfer(arm, teacher, data, seed=0, ctx=ctx)
    return Measured(before, peak(), steps(), time.monotonic() - started)


def write_pack(folder: Path, case: Case) -> Pack:
    """``case.images`` training images, and a few to validate and to test on: noise, no two alike."""
    if (folder / FOUND).is_file():
        return Pack.open(folder)
    counts: dict[SplitName, int] = {"train": case.images, "val": ASIDE, "test": ASIDE}
    splits = [split for split, count in counts.items() for _ in range(count)]
    labels = [number % len(CLASSES) for number in range(len(splits))]
    noise = np.random.default_rng(0).integers(0, 200, (case.side, case.side, 3), dtype=np.uint8)
    with PackWriter(folder, 3) as writer:
        for number, label in enumerate(labels):
            image = np.roll(noise, number, axis=number % 3) + np.uint8(5 * label)
            image[0, 0] = np.frombuffer(number.to_bytes(3, "little"), dtype=np.uint8)
            writer.add(image)
        index = writer.finish(labels, splits)
    size = (case.side, case.side)
    found = FoundDataset(
        fingerprint=fingerprint_of(CLASSES, index),
        channels=3,
        classes=CLASSES,
        counts=_by_class(labels, splits),
        sizes=Sizes(min=size, median=size, max=size),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        defaults=DatasetDefaults(
            image_size=case.input_side,
            train_eps=4 / 255,
            eval_eps=4 / 255,
            eval_step=1 / 255,
            augmentation="none",
        ),
        report=DatasetReport(files=len(splits), taken=len(splits)),
    )
    (folder / FOUND).write_text(found.model_dump_json())
    return Pack.open(folder)


def _by_class(labels: list[int], splits: list[SplitName]) -> dict[SplitName, tuple[int, ...]]:
    """Images of each class, by split."""
    pairs = Counter(zip(splits, labels, strict=True))
    return {split: tuple(pairs[split, label] for label in range(len(CLASSES))) for split in set(splits)}


def loaded(pack: Pack, model: ModelSpec, stage: Path) -> Loaded:
    """The pack as a run loads it."""
    found = pack.found
    return load(
        DataSpec(name="noise", fingerprint=found.fingerprint, facts=DataFacts.of(found), resize="fit_crop"),
        model,
        data_root=stage,
        seed=0,
        own={found.fingerprint: archive_of_pack(pack)},
        scratch=Scratch(stage, DEFAULT_SCRATCH_BYTES),
    )


def arm_of(case: Case, blocks: int) -> Arm:
    """Consistent tuning, an epoch of all images at the least."""
    return resolve_transfer(
        "consistent",
        case.freeze_depth,
        blocks=blocks,
        data=replace(DATASETS["cifar10"], augmentation="none", train_eps=4 / 255),
        preset="quick",
        named={"epochs": 1 + case.steps * case.batch // case.images, "batch_size": case.batch},
        settings={"displacement": {"steps": case.attack_steps}, "validate_images": ASIDE},
    )


def context(stage: Path, most_steps: int) -> tuple[StageContext, Callable[[], int]]:
    """What a run gives a stage, asked to stop after ``most_steps`` of training; and how many those were."""
    stop, done = StopFlag(), 0

    def progress(_: float) -> None:
        nonlocal done
        done += 1
        if done >= most_steps:
            stop.request("interrupted")

    made = StageContext(
        key=StageKey("transfer", "memory", "0" * 64),
        directory=stage,
        checkpoints=Checkpoints(stage, earlier=(), announce=lambda path, fraction: None, every_seconds=1e9),
        runtime=of_machine("cpu", "fp32", torch.get_num_threads()),
        report=lambda event: None,
        stop=stop,
        progress=progress,
        scratch=Scratch(stage, DEFAULT_SCRATCH_BYTES),
    )
    return made, lambda: done


@contextmanager
def watched() -> Iterator[Callable[[], int]]:
    """Within: the largest anonymous memory that a thread sees is noted."""
    over, peak = threading.Event(), anonymous_bytes()

    def watch() -> None:
        nonlocal peak
        while not over.wait(SAMPLE_SECONDS):
            peak = max(peak, anonymous_bytes())

    watcher = threading.Thread(target=watch, name="memory", daemon=True)
    watcher.start()
    try:
        yield lambda: peak
    finally:
        over.set()
        watcher.join()


def anonymous_bytes() -> int:
    """Memory of this process that is no file's, as Linux counts it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024


if __name__ == "__main__":
    sys.exit(main())
