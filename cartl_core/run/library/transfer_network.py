"""``transfer``: tune a network that one has in memory on images that one has in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor, nn

from cartl_core.attacks.arguments import check_radius, check_seed
from cartl_core.catalog import COLOUR_EPS, DATASETS
from cartl_core.catalog.data_facts import TEMPLATES
from cartl_core.data import ImageSet, Split
from cartl_core.errors import ArgumentInvalid
from cartl_core.events import Reporter
from cartl_core.execution.checkpoint import NoCheckpoints
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.block_list import BlockNetwork, as_block_network
from cartl_core.nn.files import save_network
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.nn.network import Network
from cartl_core.planning.arms import resolve_transfer
from cartl_core.planning.stage_digests import StageKey
from cartl_core.render import numbers
from cartl_core.run.library.own_images import Validation, split_images
from cartl_core.run.runtime import of_machine
from cartl_core.spec import Arm, Method, Preset, TransferSpec
from cartl_core.statistics.checkpoint_selection import CLEAN, ROBUST
from cartl_core.storage.atomic_write import write_whole
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stop_flag import StopFlag
from cartl_core.training.transfer import tune


@dataclass(frozen=True, eq=False)
class TransferResult:
    """A student, and how it was made.

    Attributes:
        student: in eval mode, on the device that the given network was on; takes images in [0, 1].
        method, freeze_depth: as asked for.
        settings: all settings of the training, nothing left open.
        history: a row of figures an epoch: losses, and ``clean_accuracy`` and ``robust_accuracy`` on the
            validation images, 0 to 1.
        selected_epoch: the epoch whose weights the student has, counted from 1.
        validated: how many validation images there are, how many of them were attacked, and by what.
        norms: largest singular value of each tuned layer's reshaped weight, by the layer's name.
    """

    student: BlockNetwork
    method: Method
    freeze_depth: int
    settings: TransferSpec
    history: tuple[Mapping[str, float], ...]
    selected_epoch: int
    validated: Mapping[str, Any]
    norms: Mapping[str, float]

    def __str__(self) -> str:
        """One line: what was selected, and its figures on the validation images."""
        row = self.history[self.selected_epoch - 1]
        return (
            f"{self.method}, {self.freeze_depth} blocks frozen, epoch {self.selected_epoch} of "
            f"{len(self.history)}: {numbers.percent(row[CLEAN])} clean and {numbers.percent(row[ROBUST])} "
            f"robust accuracy on {self.validated['images']} validation images"
        )


def quiet(_: object) -> None:
    """A reporter that tells nobody."""


def transfer(
    network: nn.Module | Sequence[nn.Module],
    images: Tensor | ImageSet,
    labels: Tensor,
    *,
    method: Method,
    freeze_depth: int,
    classes: int | None = None,
    validation: Validation = 0.1,
    eps: float = COLOUR_EPS,
    epochs: int | None = None,
    lr: float | None = None,
    batch_size: int | None = None,
    settings: Mapping[str, Any] | None = None,
    preset: Preset = "quick",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    index: Tensor | None = None,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    out: str | Path | None = None,
    report: Reporter = quiet,
) -> TransferResult:
    """Tune a copy of ``network`` on new images; the training of a job's student, by the same code.

    Deterministic by ``seed``; the network, the global random state and the number of threads stay as they
    were. On the CPU, with the images, settings, seed and threads of a job, the student has the very bits of
    the job's. Nothing is written to disk unless ``out`` is given, so a transfer that is stopped begins anew.

    >>> import torch
    >>> from torch import nn
    >>> from cartl_core import TransferResult, transfer
    >>> _ = torch.manual_seed(0)
    >>> body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), nn.Sequential(nn.Conv2d(4, 4, 3), nn.Flatten())
    >>> images, labels = torch.rand(60, 1, 8, 8), torch.arange(60) % 3
    >>> done = transfer(
    ...     [*body, nn.Linear(64, 10)], images, labels, method="vanilla", freeze_depth=1, epochs=2
    ... )
    >>> isinstance(done, TransferResult), done.student(images).shape, len(done.history), done.settings.lr
    (True, torch.Size([60, 3]), 2, 0.05)

    Args:
        network: the teacher: a network of ``load_network`` or of an earlier transfer, or blocks: a list of
            modules or an ``nn.Sequential``, the last one an ``nn.Linear``. Its head is replaced.
        images: (N, C, H, W), float32 or float64 in [0, 1], or those of a split of ``load_dataset``.
        labels: (N,) int64, 0 to ``classes`` - 1.
        method: "vanilla", "neft", "cartl", "consistent", "lwf", "adversarial", "linear_probe" or "bitfit".
            "cartl" is what it says if
            the network was trained with the feature distance at this depth, which nobody can see in it. Of
            blocks that are not ours "neft" and "cartl" scale the convolutions and linear layers; residual
            sums within them stay sums.
        freeze_depth: leading blocks frozen, 0 to B - 1 of B blocks; from 1 for "cartl" and "consistent"; 0
            for "lwf", B - 1 for "linear_probe".
        classes: outputs of the new head; None is the highest label and one.
        validation: images that the epoch is selected by: the share of ``images`` that is set aside, 0.01 to
            0.5, or (images, labels), or a split of ``load_dataset``.
        eps: in linf, the radius of the network's own adversarial training: of the attack on the validation
            images, of "adversarial", and of what "consistent" moves features by.
        epochs, lr, batch_size: None is the preset's.
        settings: any other field of ``TransferSpec`` (docs/reference/specification.md), by name.
        preset: gives what is left open: "smoke", "quick" or "paper".
        mean, std: for blocks that want normalised images, one number a channel.
        index: (N,) int64, what the images are called where random numbers are drawn for one of them; None
            counts. Those of ``load_dataset(...).train.index`` repeat a job.
        seed: of all random numbers, from 0.
        device: where it is computed.
        precision: of training; "auto" is bf16 where the machine has it in hardware.
        out: a folder for ``student.safetensors`` and ``result.json``.
        report: told of every epoch, see ``cartl_core.events.EpochFinished``.

    Raises:
        ArgumentInvalid: an argument is not valid; it is a ``SpecError`` and a ``ValueError``.
        LossNotFinite: the loss became infinite or not a number.
        OutOfMemory: a batch did not fit into memory.
    """
    check_seed(seed)
    eps = check_radius(eps, "linf")
    if eps == 0:
        raise ArgumentInvalid("eps", "with radius 0 there is nothing to attack", allowed="above 0, at most 1")
    data = split_images(images, labels, classes=classes, validation=validation, index=index, seed=seed)
    teacher = as_block_network(network, data.image_shape, mean=mean, std=std)
    _check_fits(teacher, data.train)
    arm = resolve_transfer(
        method,
        freeze_depth,
        blocks=teacher.block_count,
        data=replace(
            DATASETS[TEMPLATES[data.image_shape[0]]],
            train_eps=eps,
            augmentation="none",
            consistency_weight=1.0,
        ),
        preset=preset,
        named={"epochs": epochs, "lr": lr, "batch_size": batch_size},
        settings=settings or {},
    )
    place = next(teacher.parameters()).device
    ctx = _context(device, precision, report)
    # Dropout within a block of a person's own draws from the global generators.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        tuned = tune(arm, teacher.cpu(), data, data.classes, seed=seed, ctx=ctx)
    result = _result(arm, tuned.network.to(place), tuned.facts)
    if out is not None:
        _write(Path(out), result, tuned.facts)
    return result


def _check_fits(network: BlockNetwork, train: Split) -> None:
    """One image goes through all blocks and comes out as logits (1, K)."""
    place = next(network.parameters()).device
    try:
        with preserve_model_state(network), torch.no_grad():
            logits = network(train.images[:1].to(place))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ArgumentInvalid(
            "network", f"its blocks do not take these images: {error}", allowed="blocks that fit one another"
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (1, network.head.out_features):
        raise ArgumentInvalid(
            "network", "it does not give logits (N, K)", allowed="a head that takes features (N, F)"
        )


def _context(
    device: Literal["auto", "cpu", "cuda"], precision: Literal["auto", "fp32", "bf16"], report: Reporter
) -> StageContext:
    """What the training is given where no stage is stored."""
    for name, given, known in (
        ("device", device, ("auto", "cpu", "cuda")),
        ("precision", precision, ("auto", "fp32", "bf16")),
    ):
        if given not in known:
            raise ArgumentInvalid(name, f"{given!r}", allowed=", ".join(known))
    return StageContext(
        key=StageKey("transfer", "transfer", "0" * 64),
        directory=Path(),
        checkpoints=NoCheckpoints(),
        runtime=of_machine(device, precision, torch.get_num_threads()),
        report=report,
        stop=StopFlag(),
    )


def _result(arm: Arm, student: BlockNetwork, facts: Mapping[str, Any]) -> TransferResult:
    return TransferResult(
        student=student,
        method=arm.method,
        freeze_depth=arm.freeze_depth,
        settings=arm.transfer,
        history=tuple(facts["history"]),
        selected_epoch=facts["selected_epoch"],
        validated=facts["validated"],
        norms=facts["norms"],
    )


def _write(out: Path, result: TransferResult, facts: Mapping[str, Any]) -> None:
    """The student's weights, and how it was made."""
    made = {"method": result.method, "freeze_depth": result.freeze_depth}
    settings = {"settings": result.settings.model_dump(mode="json")}
    with disk_faults("the student"):
        out.mkdir(parents=True, exist_ok=True)
        file = out / "student.safetensors"
        if isinstance(result.student, Network):
            save_network(file, result.student)
        else:
            state = {name: value.cpu().contiguous() for name, value in result.student.state_dict().items()}
            write_whole(file, safetensors.torch.save(state))
        write_whole(out / "result.json", json.dumps({**made, **settings, **facts}, indent=1).encode())
