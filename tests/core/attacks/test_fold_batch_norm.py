"""The double computes what the network computes; what is said in the end is true of the network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import (
    AttackOutcome,
    attack_with_surrogate,
    fold_batch_norm,
    misclassified,
    run_attack,
)
from cartl_core.nn.build import build_network
from cartl_core.nn.neft import apply_nonexpansive
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec, ModelSpec

COUNT = 24
PGD = AttackSpec(label="pgd", eps=0.1, step=0.02, steps=8)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def network(name: str) -> Network:
    """In double precision and with statistics that matter."""
    model = ModelSpec(name=name, image_size=12, channels=1, stem_stride=2)
    built = build_network(model, 5, (0.4,), (0.3,), generator(0, name)).double()
    draw = generator(1, name)
    for norm in built.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_(0, 0.3, generator=draw)
            norm.running_var.uniform_(0.5, 2.0, generator=draw)
            norm.weight.data.uniform_(0.5, 1.5, generator=draw)
            norm.bias.data.normal_(0, 0.3, generator=draw)
    return built


def data(model: nn.Module) -> tuple[Tensor, Tensor]:
    images = torch.rand(COUNT, 1, 12, 12, generator=generator(2, "images"), dtype=torch.float64)
    model.eval()
    with torch.no_grad():
        labels = model(images).argmax(1)
    labels[:2] = (labels[:2] + 1) % 5
    return images, labels


@pytest.mark.parametrize("name", ["tiny", "resnet18", "resnet50"])
def test_logits_and_slopes_are_those_of_the_network(name: str) -> None:
    model = network(name)
    images, _ = data(model)
    surrogate = fold_batch_norm(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in surrogate.modules())
    assert not any(parameter.requires_grad for parameter in surrogate.parameters())
    slopes = []
    for each in (model, surrogate):
        asked = images[:6].clone().requires_grad_(True)
        logits = each(asked)
        slopes.append((logits.detach(), torch.autograd.grad(logits.square().sum(), asked)[0]))
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-9, atol=1e-10)


def test_the_network_itself_stays_as_it_was() -> None:
    model = network("tiny").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fold_batch_norm(model)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_reparametrised_layer_is_left_alone_and_still_right() -> None:
    model = network("resnet18")
    apply_nonexpansive(model.blocks[2:], 0.6)
    images, _ = data(model)
    with torch.no_grad():
        torch.testing.assert_close(fold_batch_norm(model)(images), model(images), rtol=1e-9, atol=1e-10)


def test_a_norm_without_statistics_is_refused() -> None:
    with pytest.raises(ValueError, match="no fixed function"):
        fold_batch_norm(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False)))


def run(model: nn.Module, surrogate: nn.Module | None, images: Tensor, labels: Tensor) -> AttackOutcome:
    chance = {"seed": 0, "label": "pgd", "indices": torch.arange(len(images))}
    if surrogate is None:
        return run_attack(model, images, labels, PGD, **chance)  # type: ignore[arg-type]
    return attack_with_surrogate(model, surrogate, images, labels, PGD, **chance)  # type: ignore[arg-type]


def test_the_outcome_is_that_of_an_attack_on_the_network() -> None:
    model = network("tiny")
    images, labels = data(model)
    plain, quick = run(model, None, images, labels), run(model, fold_batch_norm(model), images, labels)
    assert torch.equal(plain.broken, quick.broken)
    assert 2 < quick.broken.sum() < COUNT
    torch.testing.assert_close(plain.adversarial, quick.adversarial, rtol=0, atol=1e-9)


def test_a_double_that_is_mistaken_decides_nothing() -> None:
    class Muddled(nn.Module):
        """Wrong about every image."""

        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.inner(x).roll(1, dims=1)
            return result

    model = network("tiny")
    images, labels = data(model)
    plain, fooled = run(model, None, images, labels), run(model, Muddled(model), images, labels)
    assert torch.equal(fooled.broken, plain.broken)
    with torch.no_grad():
        assert torch.equal(misclassified(model(fooled.adversarial), labels), fooled.broken)
    assert (fooled.adversarial - images).abs().max() <= PGD.eps + 1e-12


def test_what_is_skipped_counts_as_broken_here_too() -> None:
    model = network("tiny")
    images, labels = data(model)
    skip = torch.zeros(COUNT, dtype=torch.bool)
    skip[10:] = True
    outcome = attack_with_surrogate(
        model,
        fold_batch_norm(model),
        images,
        labels,
        PGD,
        seed=0,
        label="pgd",
        indices=torch.arange(COUNT),
        skip=skip,
    )
    whole = run(model, None, images, labels)
    assert torch.equal(outcome.broken, whole.broken | skip)
