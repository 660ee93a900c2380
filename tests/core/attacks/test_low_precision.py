"""Attacks that begin in bf16: no weaker than in fp32, and what they break is broken on the network itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.rounded_bf16 import RoundedBf16
from cartl_core.attacks import (
    AttackOutcome,
    LowPrecision,
    attack_begun_low,
    attack_with_surrogate,
    fold_batch_norm,
    misclassified,
)
from cartl_core.catalog.low_precision import FINISHING_STEPS, LEAST_STEPS, may_begin_low
from cartl_core.data import Split
from cartl_core.nn.network import Network
from cartl_core.spec import AttackSpec
from tests.golden.fixed_network import digits, fixed

COUNT = 24
STEPS = 50
"""Fewer than ``LEAST_STEPS``, to be quick."""
ORDERS = {"linf": torch.inf, "l2": 2}
ATTACKS = {
    "linf": AttackSpec(label="pgd", eps=0.2, step=0.02, steps=STEPS),
    "linf twice": AttackSpec(label="pgd", loss="margin", eps=0.2, step=0.02, steps=STEPS, restarts=2),
    "l2": AttackSpec(label="pgd", norm="l2", eps=0.7, step=0.07, steps=STEPS),
}


@pytest.fixture(scope="module")
def network() -> Network:
    """Trained on five classes of digits."""
    return fixed()


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    return digits(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def images(split: Split) -> Tensor:
    return split.images[:COUNT].clone()


@pytest.fixture(scope="module")
def labels(network: Network, images: Tensor, split: Split) -> Tensor:
    """The true ones, but for two images that the network then gets wrong."""
    true = split.labels[:COUNT].clone()
    true[:2] = (network(images[:2]).argmax(1) + 1) % 5
    return true


def run(
    network: Network,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    low: LowPrecision | None = None,
    **more: Any,
) -> AttackOutcome:
    """In fp32 from the first step, or begun on ``low``."""
    surrogate = fold_batch_norm(network)
    given: dict[str, Any] = {"seed": 0, "label": "pgd", "indices": torch.arange(len(images))} | more
    if low is None:
        return attack_with_surrogate(network, surrogate, images, labels, attack, **given)
    return attack_begun_low(low, network, surrogate, images, labels, attack, **given)


def require_true(
    found: AttackOutcome, network: Network, images: Tensor, labels: Tensor, attack: AttackSpec
) -> None:
    """Every broken image is wrong on the network, and all lie in the ball and in [0, 1]."""
    assert misclassified(network(found.adversarial), labels)[found.broken].all()
    assert ((found.adversarial >= 0) & (found.adversarial <= 1)).all()
    lengths = torch.linalg.vector_norm((found.adversarial - images).flatten(1), ORDERS[attack.norm], dim=1)
    assert (lengths <= attack.eps * (1 + 1e-5)).all()


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_it_is_no_weaker_and_what_it_breaks_is_broken(
    network: Network, images: Tensor, labels: Tensor, attack: AttackSpec
) -> None:
    plain = run(network, images, labels, attack)
    begun = run(network, images, labels, attack, low=LowPrecision(fold_batch_norm(network)))
    require_true(begun, network, images, labels, attack)
    assert 4 <= plain.broken.sum() <= COUNT - 4
    # Kernels round as they like: one image on the boundary may go either way.
    assert (plain.broken & ~begun.broken).sum() <= 1
    assert (begun.broken & ~plain.broken).sum() <= 1


def test_the_copy_takes_and_gives_fp32_and_is_near_the_network(network: Network, images: Tensor) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    low = LowPrecision(fold_batch_norm(network))
    assert {value.dtype for value in low.body.parameters()} == {torch.bfloat16}
    found = []
    for model in (network, low):
        asked = images.clone().requires_grad_(True)
        logits = model(asked)
        assert logits.dtype == torch.float32
        found.append((logits.detach(), torch.autograd.grad(logits.logsumexp(1).sum(), asked)[0]))
    for exact, rough in zip(*found, strict=True):
        off = float((rough - exact).norm() / exact.norm())
        assert 1e-5 < off < 0.05, off
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_rounded_arithmetic_of_the_benchmark_stands_for_bf16(network: Network, images: Tensor) -> None:
    surrogate = fold_batch_norm(network)
    exact, kernels, rounded = (
        model(images) for model in (surrogate, LowPrecision(surrogate), RoundedBf16(surrogate))
    )
    off = [float((logits - exact).norm()) for logits in (kernels, rounded)]
    assert off[1] == pytest.approx(off[0], rel=0.5)
    assert float((kernels - rounded).norm()) < max(off)


class Roll(LowPrecision):
    """Wrong about every image."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).roll(1, dims=1)


class Blind(LowPrecision):
    """Right about every image, and no pixel matters."""

    truth = torch.zeros(0)

    def forward(self, x: Tensor) -> Tensor:
        # Rows leave a batch, but an attack that breaks nothing sees all of them, in their order.
        return 0 * super().forward(x) + self.truth[: len(x)]


def test_a_copy_that_is_wrong_everywhere_decides_nothing(
    network: Network, images: Tensor, labels: Tensor
) -> None:
    attack = ATTACKS["l2"]
    plain = run(network, images, labels, attack)
    fooled = run(network, images, labels, attack, low=Roll(fold_batch_norm(network)))
    require_true(fooled, network, images, labels, attack)
    assert not (plain.broken & ~fooled.broken).any(), "what fell on the copy alone is attacked from the start"
    assert not fooled.broken.all()


def test_what_stands_on_the_copy_is_finished_in_fp32(network: Network, images: Tensor) -> None:
    """So it is as if the attack had only its last steps."""
    labels, attack = network(images).argmax(1), ATTACKS["linf"]
    blind = Blind(fold_batch_norm(network))
    blind.truth = nn.functional.one_hot(labels, 5).float()
    found = run(network, images, labels, attack, low=blind)
    last = attack.model_copy(update={"steps": FINISHING_STEPS})
    assert torch.equal(found.broken, run(network, images, labels, last).broken)
    assert found.broken.any() and not found.broken.all()


def test_the_steps_of_a_restart_are_those_that_were_asked_for(network: Network, images: Tensor) -> None:
    images = images[:4]
    labels = network(images).argmax(1)
    attack = AttackSpec(label="pgd", norm="l2", eps=1e-3, step=1e-4, steps=STEPS, restarts=2)
    low, surrogate = LowPrecision(fold_batch_norm(network)), fold_batch_norm(network)
    calls = {"low": 0, "surrogate": 0}
    for name, model in (("low", low), ("surrogate", surrogate)):

        def count(*_: object, name: str = name) -> None:
            calls[name] += 1

        model.register_forward_hook(count)
    found = attack_begun_low(
        low, network, surrogate, images, labels, attack, seed=0, label="pgd", indices=torch.arange(4)
    )
    assert not found.broken.any()
    # In either precision one look at the images before, and one at the last points.
    assert calls == {"low": 2 * (STEPS - FINISHING_STEPS + 2), "surrogate": 2 * (FINISHING_STEPS + 2)}


def test_the_outcome_of_an_image_hangs_on_no_other(network: Network, images: Tensor, labels: Tensor) -> None:
    attack, low = ATTACKS["l2"], LowPrecision(fold_batch_norm(network))
    whole = run(network, images, labels, attack, low=low)
    parts = [
        run(network, images[part], labels[part], attack, low=low, indices=torch.arange(COUNT)[part])
        for part in (slice(0, 8), slice(8, COUNT))
    ]
    assert torch.equal(torch.cat([part.broken for part in parts]), whole.broken)
    skip = torch.zeros(COUNT, dtype=torch.bool)
    skip[10:] = True
    rest = run(network, images, labels, attack, low=low, skip=skip)
    assert torch.equal(rest.broken, whole.broken | skip)
    assert torch.equal(rest.adversarial[skip], images[skip])


@pytest.mark.parametrize(
    ("changes", "low"),
    [
        ({}, True),
        ({"norm": "l2", "loss": "dlr", "restarts": 3, "random_start": True}, True),
        ({"norm": "l1", "eps": 6.0}, False),
        ({"steps": LEAST_STEPS - 1}, False),
        ({"samples": 2}, False),
        ({"name": "apgd", "step": None}, False),
        ({"name": "square", "loss": "margin", "step": None, "steps": 5000}, False),
    ],
)
def test_long_attacks_that_can_go_on_from_any_point_may_begin_so(changes: dict[str, Any], low: bool) -> None:
    written = {"label": "a", "eps": 0.1, "step": 0.01, "steps": LEAST_STEPS} | changes
    assert may_begin_low(AttackSpec.model_validate(written)) is low
    assert not may_begin_low(None)
