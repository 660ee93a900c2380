"""The plain loop that training is compared with computes the same, or a ratio would say nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks.ratios.plain_loop import train
from benchmarks.ratios.training_steps import STEPS, Case, Training
from cartl_core.nn.rng import generator
from cartl_core.training.class_balance import epoch_order
from cartl_core.training.gradient import StepContext

CASE = Case("tiny", 8, 1, 2, 2, 16)


@pytest.mark.parametrize("fdm", [True, False])
def test_the_same_weights_come_out(fdm: bool) -> None:
    training = Training.of(CASE, fdm=fdm)
    ours, plain = training.ours(), training.network()
    order = epoch_order("uniform", training.labels, generator(0, "order", 0)).split(CASE.batch)
    batches = [(training.images[drawn], training.labels[drawn]) for drawn in order]
    steps = iter(range(STEPS))

    def start(images: Tensor, eps: float) -> Tensor:
        return (2 * StepContext(0, 0, next(steps)).uniform("attack", images) - 1) * eps

    train(*plain.split(plain.block_count // 2), batches, training.recipe, start)
    before = training.network().state_dict()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(plain.state_dict()[name], value, rtol=1e-3, atol=1e-5, msg=name)
    assert not torch.equal(before["stem.weight"], plain.state_dict()["stem.weight"])
