"""Transfer beside a plain loop: an epoch, with and without what is computed once, and the peak of memory.

Ours is the loop of a stage on a trunk whose features were cached before the first epoch. Validation is left
out of both. Networks are untrained and images random: what they have learned changes no cost.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.memory import anonymous_bytes, watched
from benchmarks.ratios.contest import Contest, Row, what_it_returns
from benchmarks.ratios.plain_transfer import PlainTransfer
from benchmarks.ratios.training_steps import context
from cartl_core.catalog import DATASETS
from cartl_core.compat.allocator import return_freed_memory
from cartl_core.data import ImageSet, Split
from cartl_core.execution.scratch import Scratch
from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.planning.arms import resolve_transfer
from cartl_core.spec import Arm, Method, ModelSpec
from cartl_core.training.loop import fit
from cartl_core.training.student import Student
from cartl_core.training.transfer import transfer_task

PLAIN = "a plain loop"
RETURNING = "a plain loop that returns what it frees as ours does"
WRN_28_4 = ModelSpec(name="wrn-28-4", image_size=32, channels=3)
MIB = 2**20


@dataclass(frozen=True)
class Case:
    """A transfer to measure.

    Attributes:
        tuned_blocks: of the network's last ones, the head included.
        images: that an epoch goes through.
        attack_steps: of the displacement of ``consistent``; None: as many as by default.
    """

    method: Method
    tuned_blocks: int
    images: int
    batch_size: int
    model: ModelSpec = WRN_28_4
    classes: int = 10
    attack_steps: int | None = None

    def network(self) -> Network:
        """An untrained one: what it has learned changes no cost."""
        shade = (0.5,) * self.model.channels
        return build_network(self.model, self.classes, shade, shade, generator(0, "network"))

    def arm(self, epochs: int | None = None) -> Arm:
        """As preset `quick` has it, without augmentation."""
        blocks = self.network().block_count
        settings: dict[str, Any] = {"select": "last", "lr_schedule": "constant"}
        if self.attack_steps is not None:
            settings["displacement"] = {"steps": self.attack_steps}
        return resolve_transfer(
            self.method,
            blocks - self.tuned_blocks,
            blocks=blocks,
            data=replace(DATASETS["cifar10"], augmentation="none"),
            preset="quick",
            named={"epochs": epochs, "lr": None, "batch_size": self.batch_size},
            settings=settings,
        )

    def data(self) -> tuple[Tensor, Tensor]:
        """Random images (N, C, H, W), and labels (N,)."""
        side = self.model.image_size
        shape = (self.images, self.model.channels, side, side)
        images = torch.rand(shape, generator=generator(1, "images"))
        return images, torch.arange(self.images) % self.classes

    def split(self) -> Split:
        """The same as a stage has them."""
        images, labels = self.data()
        return Split(ImageSet.of(images), labels, torch.arange(self.images), (b"",) * self.images)


@dataclass(frozen=True, eq=False)
class Images:
    """The data of a transfer that validates nothing."""

    train: Split
    validation: Split


@dataclass(frozen=True)
class Seconds:
    """Of processor time: of an epoch, and of what comes once before and after all epochs."""

    epoch: float
    once: float = 0.0

    def over(self, epochs: int) -> float:
        """Of an epoch, with its share of what comes once."""
        return self.epoch + self.once / epochs


def student_of(case: Case, directory: Path) -> Student:
    """What is tuned, for an epoch; large arrays go to files in ``directory``."""
    ctx, teacher = replace(context(), scratch=Scratch(directory)), directory / "teacher.safetensors"
    save_network(teacher, case.network())
    return Student(case.arm(epochs=1), teacher, case.classes, 0, ctx)


def ours(case: Case, directory: Path, epoch_begins: Callable[[], object] = lambda: None) -> Seconds:
    """One epoch of the library's loop, and what comes once: the caching pass, and checks of the weights.

    Args:
        epoch_begins: called between the caching pass and the epoch.
    """
    student, moments = student_of(case, directory), list[float]()
    split, ctx, arm = case.split(), student.place, student.arm
    task = transfer_task(student, Images(split, split))

    def begin_epoch(epoch: int) -> None:
        task.begin_epoch(epoch)
        epoch_begins()
        moments.append(time.process_time())

    def end_epoch() -> dict[str, float]:
        moments.append(time.process_time())
        return {}

    moments.append(time.process_time())
    fit(replace(task, begin_epoch=begin_epoch, validate=end_epoch), arm.transfer, seed=0, ctx=ctx)
    before, began, ended = moments
    return Seconds(ended - began, began - before + time.process_time() - ended)


def plain(case: Case, around: AbstractContextManager[Any] | None = None) -> Seconds:
    """One epoch of the plain loop, within ``around``."""
    arm, (images, labels) = case.arm(), case.data()
    student = PlainTransfer(case.network(), arm.freeze_depth, arm.transfer)
    optimizer = student.begin()
    began = time.process_time()
    with around or nullcontext():
        student.epoch(images, labels, optimizer)
    return Seconds(time.process_time() - began)


def epochs(case: Case, *, with_what_comes_once: bool) -> Contest:
    """Processor seconds of an epoch; ours with its share of the caching pass, or without."""
    arm = case.arm()
    directory = Path(tempfile.gettempdir())

    def of_ours() -> float:
        found = ours(case, directory)
        return found.over(arm.transfer.epochs) if with_what_comes_once else found.epoch

    return Contest(of_ours, {PLAIN: lambda: plain(case).epoch}, _facts(case, arm))


def memory(case: Case) -> Contest:
    """Peak of anonymous memory, each in a process of its own: above what the process had before, in MiB."""
    command = [sys.executable, "-m", __name__, *map(str, (case.method, case.tuned_blocks))]
    command += map(str, (case.images, case.batch_size, case.attack_steps or 0))

    def of(who: str) -> float:
        told = subprocess.run([*command, who], capture_output=True, text=True, check=True)
        return float(told.stdout) / MIB

    rivals = {PLAIN: partial(of, "plain"), RETURNING: partial(of, "returning")}
    return Contest(partial(of, "ours"), rivals, _facts(case, case.arm()))


def _facts(case: Case, arm: Arm) -> dict[str, Any]:
    return {
        "network": case.model.name,
        "method": case.method,
        "freeze_depth": arm.freeze_depth,
        "images": case.images,
        "batch": case.batch_size,
        "epochs": arm.transfer.epochs,
    }


def main(arguments: list[str]) -> int:
    """The peak of one process: METHOD TUNED_BLOCKS IMAGES BATCH STEPS ours|plain|returning; prints bytes."""
    method, *numbers, who = arguments
    blocks, images, batch, steps = map(int, numbers)
    torch.set_num_threads(1)
    if who != "plain":
        return_freed_memory(os.environ)
    case = Case(method, blocks, images, batch, attack_steps=steps or None)
    before = anonymous_bytes()
    with watched() as peak, tempfile.TemporaryDirectory() as directory:
        _ = ours(case, Path(directory)) if who == "ours" else plain(case)
    sys.stdout.write(f"{peak() - before}\n")
    return 0


def _rows() -> tuple[Row, ...]:
    whole = {
        "NEFT": Case("neft", 4, images=64, batch_size=32),
        "consistent": Case("consistent", 4, images=32, batch_size=16),
    }
    probe = Case("linear_probe", 1, images=512, batch_size=128)
    return (
        Row(
            "tail-epoch",
            "NEFT or consistent epoch, 4 blocks of WRN-28-4, caching pass over the default epochs",
            PLAIN,
            5.0,
            {cell: partial(epochs, case, with_what_comes_once=True) for cell, case in whole.items()},
            what_it_returns,
        ),
        Row(
            "linear-probe-epoch",
            "linear probe epoch, WRN-28-4",
            PLAIN,
            30.0,
            {
                "the epoch": partial(epochs, probe, with_what_comes_once=False),
                "caching pass over the default epochs": partial(epochs, probe, with_what_comes_once=True),
            },
            what_it_returns,
        ),
        Row(
            "transfer-memory",
            "peak memory of a transfer, 4 blocks of WRN-28-4",
            PLAIN,
            2.0,
            {
                "NEFT, 512 images, batch 128": partial(memory, Case("neft", 4, 512, 128)),
                "consistent, 256 images, batch 128, one step of attack": partial(
                    memory, Case("consistent", 4, 256, 128, attack_steps=1)
                ),
            },
            what_it_returns,
            "MiB",
            warm_up=False,
        ),
    )


ROWS = _rows()

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
