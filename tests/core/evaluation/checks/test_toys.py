"""Networks that deceive are caught by the check that is meant for it; an honest one passes them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.render.checks.sentences import check_advice, check_words
from cartl_core.report.checks import FINDINGS


class Around(nn.Module):
    """A network with something before and behind it."""

    def __init__(
        self,
        model: nn.Module,
        before: Callable[[Tensor], Tensor] = lambda x: x,
        behind: Callable[[Tensor], Tensor] = lambda logits: logits,
    ) -> None:
        super().__init__()
        self.model, self.before, self.behind = model, before, behind

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.behind(self.model(self.before(x)))
        return logits


class Fence(nn.Module):
    """Knows the images: far from all of them it says the nearest one's class, and nothing moves it."""

    def __init__(self, model: nn.Module, images: Tensor, labels: Tensor, reach: float) -> None:
        super().__init__()
        self.model, self.images, self.labels, self.reach = model, images.flatten(1), labels, reach

    def forward(self, x: Tensor) -> Tensor:
        distance = torch.cdist(x.detach().flatten(1), self.images.to(x), p=torch.inf)
        nearest = distance.min(1)
        said = 20 * nn.functional.one_hot(self.labels[nearest.indices], 10).to(x)
        return torch.where((nearest.values > self.reach).unsqueeze(1), said, self.model(x))


class Sparse(nn.Module):
    """An activation that takes what is near its mean for the mean, as MeanSparse does."""

    def __init__(self, activations: Tensor, share: float) -> None:
        super().__init__()
        self.mean, self.width = activations.mean(0), share * activations.std(0)

    def forward(self, x: Tensor) -> Tensor:
        return torch.where((x - self.mean).abs() <= self.width, self.mean.expand_as(x), x)


def levels(x: Tensor) -> Tensor:
    return (8 * x).round() / 8


MASKS: dict[str, tuple[set[str], dict[str, Callable[[Tensor], Tensor]]]] = {
    "saturated softmax": ({"gradients", "masking"}, {"behind": lambda logits: 1e4 * logits}),
    "distilled: logits of a temperature": ({"gradients", "masking"}, {"behind": lambda logits: 50 * logits}),
    "tiny logits": ({"masking"}, {"behind": lambda logits: 0.01 * logits}),
    "probabilities": ({"logits"}, {"behind": lambda logits: logits.softmax(1)}),
    "steps": ({"gradients", "input_range", "jumps", "eps_one", "black_box", "masking"}, {"before": levels}),
    "steps with an invented gradient": (
        {"input_range", "jumps"},
        {"before": lambda x: x + (levels(x) - x).detach()},
    ),
    "clipped input": ({"input_range"}, {"before": lambda x: x.clamp(0.25, 0.75)}),
    "noise on the input": ({"randomness", "jumps"}, {"before": lambda x: x + 0.05 * torch.randn_like(x)}),
    "noise on the logits": (
        {"randomness", "jumps"},
        {"behind": lambda logits: logits + torch.randn_like(logits)},
    ),
    "shattered by a steep sine": (
        {"jumps", "black_box", "masking"},
        {"before": lambda x: x + 0.05 * torch.sin(500 * x)},
    ),
    "always the same answer": (
        {"gradients", "input_range", "eps_one"},
        {"behind": lambda logits: 0 * logits + 5 * torch.eye(10)[3].to(logits)},
    ),
}
OF_THE_NETWORK = {"gradients", "logits", "randomness", "input_range", "jumps", "inference"}
"""Checks that look at one property each, and must not see it where it is not."""


def failed(checks: dict[str, Any]) -> set[str]:
    return {name for name, check in checks.items() if check.status == "failed"}


def test_an_honest_robust_network_passes_every_check(
    checked: Any, robust: nn.Module, plain: nn.Module
) -> None:
    checks = checked(robust, plain)
    assert {name: check.status for name, check in checks.items()} == dict.fromkeys(FINDINGS, "passed")
    assert checks["gradients"].evidence["vanished"] == 0
    assert checks["rising_eps"].evidence["images"] == 200


@pytest.mark.parametrize("mask", MASKS)
def test_a_masked_network_is_caught(checked: Any, plain: nn.Module, mask: str) -> None:
    meant, around = MASKS[mask]
    torch.manual_seed(0)  # of the noise that the networks draw themselves
    checks = checked(Around(plain, **around))
    assert failed(checks) >= meant
    assert failed(checks) & OF_THE_NETWORK == meant & OF_THE_NETWORK
    for name in failed(checks):
        assert check_advice(checks[name])


def test_attacks_that_fail_at_larger_radii_are_caught(
    checked: Any, plain: nn.Module, digits: tuple[Tensor, Tensor]
) -> None:
    images, labels = (part[-500:] for part in digits)
    checks = checked(Fence(plain, images, labels, reach=0.25))
    assert checks["rising_eps"].status == "failed"
    assert checks["eps_one"].status == "failed"


SPARSE: dict[float, set[str]] = {0.5: {"jumps"}, 1.0: {"jumps"}, 1.5: {"jumps", "gradients", "input_range"}}
"""Standard deviations around the mean that are dropped, and what of the network is seen."""


@pytest.mark.parametrize("share", SPARSE)
def test_a_sparsifying_activation_that_hides_gradients_is_caught(
    checked: Any, plain: nn.Sequential, digits: tuple[Tensor, Tensor], share: float
) -> None:
    trunk, head = plain[:3], plain[3:]
    with torch.no_grad():
        sparse = Sparse(trunk(digits[0][:1400]), share)
    checks = checked(nn.Sequential(trunk, sparse, head).eval())
    assert failed(checks) & OF_THE_NETWORK == SPARSE[share]
    assert checks["masking"].evidence["straight-through_images"] == 200
    assert "constant in pieces" in check_words(checks["jumps"])


def test_gradients_straight_through_rounding_break_what_its_own_gradient_does_not(
    checked: Any, plain: nn.Module
) -> None:
    evidence = checked(Around(plain, before=levels))["masking"].evidence
    assert evidence["straight-through_breaks_more"] > 0.3
    assert evidence["straight-through_adjusted_p"] < 1e-6
    assert "straight-through_images" not in checked(plain)["masking"].evidence, "nothing is hidden there"


class Purifier(nn.Module):
    """Before it answers, it moves the image to where the network is surer."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            moved = x.detach().requires_grad_(True)
            (uphill,) = torch.autograd.grad(self.model(moved).logsumexp(1).sum(), moved)
        logits: Tensor = self.model(x + 0.01 * uphill.sign())
        return logits


class Adapting(nn.Module):
    """Keeps the mean of what it was shown last."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.get_buffer("seen").copy_(x.detach().mean())
        logits: Tensor = self.model(x)
        return logits


class Loop(nn.Module):
    """Runs the same layers again and again."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.model(x) for _ in range(6)]).mean(0)


def centred(x: Tensor) -> Tensor:
    """By the batch that it is in."""
    return x - x.mean(0, keepdim=True)


@pytest.mark.parametrize(
    ("around", "finding"),
    [
        (Purifier, "takes_gradients"),
        (Adapting, "changes_itself"),
        (Loop, "runs_layers_again"),
        (lambda model: Around(model, before=centred), "neighbours_matter"),
    ],
    ids=["purifies", "adapts", "loops", "by the batch"],
)
def test_what_is_optimised_at_inference_is_caught(
    checked: Any, plain: nn.Module, around: Callable[[nn.Module], nn.Module], finding: str
) -> None:
    checks = checked(around(plain).eval())
    assert (checks["inference"].status, checks["inference"].finding) == ("failed", finding)
    assert check_words(checks["inference"])
    assert check_advice(checks["inference"])


def test_words_tell_a_masked_gradient_from_a_misled_loss(checked: Any, plain: nn.Module) -> None:
    shattered = checked(Around(plain, **MASKS["shattered by a steep sine"][1]))["masking"]
    assert "masking is likely" in check_words(shattered)
    tiny = checked(Around(plain, **MASKS["tiny logits"][1]))["masking"]
    assert "size of the logits" in check_words(tiny)
