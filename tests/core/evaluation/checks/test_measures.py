"""The measurements behind the checks, against closed forms and brute force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cartl_core.attacks import random_starts, run_attack
from cartl_core.evaluation.checks import ROBUST, CheckInputs, in_double, normalises_first
from cartl_core.evaluation.checks.gradient_masking import GAP, Rescaled, transferred
from cartl_core.evaluation.checks.gradients import gradient_faults
from cartl_core.evaluation.checks.input_sensitivity import BANDS, insensitive
from cartl_core.evaluation.checks.outputs import like_probabilities, relative_difference, two_passes
from cartl_core.evaluation.checks.table import CHECKS
from cartl_core.nn.network import Normalize
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec

SHAPE = (1, 6, 6)
EPS = 0.05


def linear(classes: int = 6, scale: float = 1.0, seed: int = 0) -> nn.Sequential:
    draw = generator(seed, "linear")
    layer = nn.Linear(36, classes)
    with torch.no_grad():
        layer.weight.copy_(scale * torch.randn(classes, 36, generator=draw))
        layer.bias.copy_(-layer.weight.sum(1) / 2)
    return nn.Sequential(nn.Flatten(), layer).eval()


def data(model: nn.Module, count: int = 200, seed: int = 0) -> tuple[Tensor, Tensor]:
    images = 0.2 + 0.6 * torch.rand(count, *SHAPE, generator=generator(seed, "images"))
    with torch.no_grad():
        return images, model(images).argmax(1)


def closed_form(model: nn.Sequential, images: Tensor, labels: Tensor, eps: float) -> Tensor:
    """(N,) bool: no point within eps (linf, away from the walls of [0, 1]) has another class."""
    layer = model[1]
    assert isinstance(layer, nn.Linear)
    weight, logits = layer.weight.detach(), model(images).detach()
    gap = logits.gather(1, labels.unsqueeze(1)) - logits
    reach = eps * (weight[labels].unsqueeze(1) - weight.unsqueeze(0)).abs().sum(2)
    own = nn.functional.one_hot(labels, len(weight)).bool()
    result: Tensor = ((gap > reach) | own).all(1)
    return result


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_rescaled_logits_reach_the_optimum_whatever_their_size(scale: float) -> None:
    """On a linear model of several classes the cross-entropy of tiny logits stays short of it."""
    model = linear(scale=scale)
    images, labels = data(model)
    eps = 0.01
    attack = AttackSpec(label="ce", eps=eps, step=eps / 4, steps=50)
    optimum = closed_form(model, images, labels, eps)
    assert 50 < optimum.sum() < 150

    def robust(network: nn.Module) -> Tensor:
        found = run_attack(network, images, labels, attack, seed=0, label="x", indices=torch.arange(200))
        return ~found.broken

    assert (robust(Rescaled(model)) & ~optimum).sum() <= 2
    assert not (optimum & ~robust(Rescaled(model))).any(), "nobody breaks more than the optimum"
    if scale == 1e-3:
        assert (robust(model) & ~optimum).sum() > 10


@given(st.integers(0, 10_000), st.floats(1e-6, 1e6))
@settings(deadline=None, max_examples=40)
def test_rescaled_logits_keep_their_order_and_are_a_gap_apart(seed: int, scale: float) -> None:
    model = linear(scale=scale)
    images, _ = data(model, 5, seed)
    before, after = model(images).detach(), Rescaled(model)(images).detach()
    assert torch.equal(before.argsort(1), after.argsort(1))
    top = after.topk(2, dim=1).values
    assert torch.allclose(top[:, 0] - top[:, 1], torch.tensor(GAP), rtol=1e-3)


def test_equal_logits_stay_finite() -> None:
    linear = nn.Linear(36, 4)
    model = nn.Sequential(nn.Flatten(), linear).eval()
    nn.init.zeros_(linear.weight)
    nn.init.ones_(linear.bias)
    assert Rescaled(model)(torch.rand(3, *SHAPE)).isfinite().all()


@pytest.mark.parametrize(("scale", "vanish"), [(1.0, False), (1e-3, False), (1e5, True)])
def test_gradients_vanish_where_the_softmax_saturates(scale: float, vanish: bool) -> None:
    model = linear(scale=scale)
    images, labels = data(model, 50)
    vanished, flat = gradient_faults(model, images, labels)
    assert (vanished.float().mean() > 0.9) == vanish
    assert vanish or not vanished.any()
    assert not flat.any()


def test_the_floor_is_where_single_precision_ends() -> None:
    """Two classes: the cross-entropy's gradient is exactly 1 - p times the margin's."""
    model = linear(classes=2)
    images, labels = data(model, 1)
    with torch.no_grad():
        top = model(images).topk(2, dim=1).values
    for gap, lost in ((14.0, False), (15.5, False), (16.5, True), (30.0, True), (120.0, True)):
        factor = gap / (top[:, 0] - top[:, 1])
        scaled = nn.Sequential(model, Times(float(factor))).eval()
        vanished, _ = gradient_faults(scaled, images, labels)
        assert bool(vanished) is lost, gap  # exp(-15.94) is 2 to the power of -23


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class Detached(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach().flatten(1)


@pytest.mark.parametrize("model", [Detached(), nn.Sequential(nn.Flatten(), Times(float("nan")))])
def test_no_gradient_at_all_is_flat(model: nn.Module) -> None:
    vanished, flat = gradient_faults(model, torch.rand(4, *SHAPE), torch.zeros(4, dtype=torch.int64))
    assert vanished.all()
    assert flat.all()


def test_probabilities_are_told_from_logits() -> None:
    logits = torch.randn(100, 10, generator=generator(0, "logits"))
    assert like_probabilities(logits.softmax(1)).all()
    assert like_probabilities(logits.softmax(1).half()).all()
    for outputs in (logits, logits.log_softmax(1), logits.sigmoid(), logits.softmax(1) / 2):
        assert not like_probabilities(outputs).any()


def test_the_same_network_gives_the_same_twice_and_noise_does_not() -> None:
    model = nn.Sequential(linear(), nn.Dropout(0.5)).train()
    images, _ = data(model[0])
    assert relative_difference(*two_passes(model, images)).max() == 0
    assert model.training
    assert model[1].training


def test_differences_are_relative_and_know_infinity() -> None:
    first = torch.tensor([[100.0, 0.0], [0.0, 0.0], [float("nan"), 1.0], [float("nan"), 1.0]])
    second = torch.tensor([[101.0, 0.0], [0.0, 0.0], [float("nan"), 1.0], [2.0, 1.0]])
    assert relative_difference(first, second).tolist() == pytest.approx([1 / 101, 0, 0, float("inf")])


@pytest.mark.parametrize(
    ("before", "expected", "maybe"),
    [
        (lambda x: x, set(), set()),
        (lambda x: (255 * x).round() / 255, set(range(len(BANDS))), set()),
        (lambda x: x.half().to(x), {1, 2, 3, 4, 5}, {0, 6}),
        (lambda x: x.clamp(0, 1), {0, 6}, set()),
        (lambda x: x.clamp(0.4, 0.8), {0, 1, 2, 5, 6}, set()),
        (lambda x: (200 * (x - 0.5)).sigmoid(), {0, 1, 5, 6}, {2, 4}),
    ],
)
def test_a_network_hears_what_it_does_not_throw_away(
    before: Callable[[Tensor], Tensor], expected: set[int], maybe: set[int]
) -> None:
    double = in_double(linear())
    images, _ = data(linear(), 30)
    noise = torch.rand(30, 2, *SHAPE, generator=generator(0, "noise"))

    class Network(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = double(before(x))
            return logits

    found = {
        band
        for band in range(len(BANDS))
        if insensitive(Network(), images, torch.full((30,), band), noise).float().mean() > 0.5
    }
    assert expected <= found <= expected | maybe


def test_whether_normalisation_comes_first() -> None:
    normal = Normalize((0.5,), (0.2,))
    assert normalises_first(nn.Sequential(nn.Sequential(normal), linear()))
    assert not normalises_first(nn.Sequential(nn.ReLU(), normal, linear()))


def test_an_attack_on_the_network_itself_transfers_like_pgd() -> None:
    """Its source is its target: as strong as PGD with as many steps, but for iterates that were not tried."""
    model = linear()
    images, labels = data(model)
    attack = AttackSpec(label="x", eps=EPS, step=EPS / 4, steps=20)
    start = random_starts(SHAPE, EPS, seed=0, label="x", restart=0, indices=range(200))
    broken = transferred(model, model, images, labels, attack, start)
    itself = run_attack(model, images, labels, attack, seed=0, label="x", indices=torch.arange(200)).broken
    assert (broken & ~itself).sum() == 0
    assert (itself & ~broken).sum() <= 4
    assert broken.sum() > 20
    unlike = transferred(linear(seed=9), model, images, labels, attack, start)
    assert unlike.sum() < broken.sum() / 2


def inputs(model: nn.Module, part: slice, other: nn.Module) -> CheckInputs:
    images, labels = data(model, 60)
    attack = AttackSpec(label="checks", eps=EPS, step=EPS / 4, steps=5)
    asked = ChecksSpec(attack=attack, queries=10)
    indices = torch.arange(60)
    return CheckInputs(
        model, in_double(model), 6, images[part], labels[part], indices[part], 0, asked, ("other", other)
    )


@pytest.mark.parametrize("name", CHECKS)
def test_a_row_of_an_image_does_not_hang_on_its_batch(name: str) -> None:
    """In double precision, so that the size of a batch cannot tip a decision."""

    def rows(part: slice) -> dict[str, Tensor]:
        single = inputs(linear(), part, linear())
        model, other = in_double(linear()), in_double(linear(seed=1))
        return CHECKS[name](
            replace(single, model=model, images=single.images.double(), other=("other", other))
        )

    whole, pieces = rows(slice(0, 60)), [rows(slice(at, at + 25)) for at in (0, 25, 50)]
    assert whole
    for key, row in whole.items():
        assert len(row) == 60
        joined = torch.cat([piece[key] for piece in pieces])
        assert torch.allclose(joined.double(), row.double(), rtol=1e-12, atol=1e-12), key


def test_the_checks_leave_no_trace() -> None:
    model, other = linear().train(), linear(seed=1).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for take_down in CHECKS.values():
        rows = take_down(inputs(model, slice(0, 60), other))
        assert all(not row.requires_grad for row in rows.values())
    for network in (model, other):
        assert network.training
        assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_radii_are_attacked_independently() -> None:
    """Different random starts: a run of one radius takes nothing over from a smaller one."""
    seen: list[Tensor] = []

    class Spy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach().clone())
            result: Tensor = model(x)
            return result

    model = linear(scale=0.001)
    spied = inputs(Spy().eval(), slice(0, 60), linear())
    rows = CHECKS["rising_eps"](spied)
    assert [key.removeprefix(ROBUST) for key in rows] == [
        f"radius-{share * EPS:.6g}" for share in (0.25, 0.5, 1, 2, 4)
    ]
    first = [x - spied.images for x in seen if len(x) == 60 and not torch.equal(x, spied.images)]
    starts = [(delta / delta.abs().max()).flatten() for delta in first if delta.abs().max() > 0]
    drawn = starts[0]
    assert all(abs(torch.corrcoef(torch.stack([drawn, start]))[0, 1]) < 0.95 for start in starts[11:])
