"""The plain loop that a transfer is compared with computes the same, or a ratio would say nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.ratios.plain_transfer import PlainTransfer
from benchmarks.ratios.transfer_epochs import Case, Images, epochs, ours, student_of
from cartl_core.attacks import random_starts
from cartl_core.nn.rng import generator
from cartl_core.spec import Method, ModelSpec
from cartl_core.training.class_balance import epoch_order
from cartl_core.training.loop import fit
from cartl_core.training.transfer import transfer_task

TINY = ModelSpec(name="tiny", image_size=8, channels=1)


@pytest.mark.parametrize(
    ("method", "tuned_blocks"), [("neft", 2), ("vanilla", 2), ("linear_probe", 1), ("consistent", 2)]
)
def test_the_same_weights_come_out(
    method: Method, tuned_blocks: int, tmp_path: Path, monkeypatch: Any
) -> None:
    case = Case(method, tuned_blocks, images=32, batch_size=16, model=TINY)
    student, split = student_of(case, tmp_path), case.split()
    task = transfer_task(student, Images(split, split))
    object.__setattr__(task, "validate", dict)
    fit(task, student.spec, seed=0, ctx=student.place)
    student.settle()

    images, labels = case.data()
    order = epoch_order("uniform", labels, generator(0, "order", 0))
    left = iter(order.split(case.batch_size))

    def start(_: Tensor, eps: float) -> Tensor:
        return random_starts((1, 8, 8), eps, seed=0, label="displacement", restart=0, indices=next(left))

    network = case.network()
    network.replace_head(case.classes, generator(0, "head"))
    plain = PlainTransfer(network, student.arm.freeze_depth, student.spec, start)
    plain.epoch(images, labels, plain.begin(), order)
    upper = dict(network.split(student.arm.freeze_depth)[1].named_parameters())
    assert upper
    with torch.no_grad():
        network.eval()
        torch.testing.assert_close(network(images), student.network(images), rtol=1e-3, atol=1e-4)


def test_what_is_measured_is_an_epoch_and_what_comes_once(tmp_path: Path) -> None:
    case = Case("neft", 2, images=32, batch_size=16, model=TINY)
    found = ours(case, tmp_path)
    assert found.epoch > 0 and found.once > 0
    assert found.over(4) == found.epoch + found.once / 4
    contest = epochs(case, with_what_comes_once=True)
    assert contest.facts["freeze_depth"] == 3
    assert all(task() for task in (contest.ours, *contest.rivals.values()))
