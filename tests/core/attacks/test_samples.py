"""Attacks on networks that answer at random: the mean of several passes is climbed, and decides."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from cartl_core.attacks import run_attack
from cartl_core.attacks.losses import margin
from cartl_core.attacks.uphill import answers, look
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.attack import ATTACKS
from tests.core.attacks.test_norms import EPS, Linear, attacked, deepest, task

AVERAGING = [name for name, facts in ATTACKS.items() if facts.averages]
STEPS: dict[str, dict[str, float]] = {"pgd": {"steps": 20, "step": EPS["linf"] / 4}, "apgd": {"steps": 20}}


class Noisy(nn.Module):
    """Logits that jump about with every pass, around those of a network."""

    def __init__(self, model: nn.Module, spread: float) -> None:
        super().__init__()
        self.model, self.spread, self.draw = model, spread, generator(0, "noise")

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        noise = torch.randn(logits.shape, generator=self.draw, dtype=logits.dtype)
        return logits * (1 + self.spread * noise)


def spec(name: str, samples: int) -> AttackSpec:
    settings = {"label": "a", "name": name, "eps": EPS["linf"], "samples": samples}
    return AttackSpec.model_validate(settings | STEPS[name])


def test_a_look_is_the_mean_of_its_passes() -> None:
    images, labels = task(0.25, 0.75, seed=1)[1:]
    loss = partial(margin, labels=labels)
    mean = look(Noisy(Linear(1), 0.5), images, loss, 3)
    same = Noisy(Linear(1), 0.5)
    single = [look(same, images, loss) for _ in range(3)]
    for part, passes in zip(mean, zip(*single, strict=True), strict=True):
        torch.testing.assert_close(part, torch.stack(passes).mean(0))
    torch.testing.assert_close(answers(Noisy(Linear(1), 0.5), images, 3), mean.logits)
    assert not torch.equal(single[0].logits, single[1].logits)


@pytest.mark.parametrize("name", AVERAGING)
def test_the_mean_decides_and_one_lucky_draw_breaks_nothing(name: str) -> None:
    """Logits of the first two classes are noisy by 40 %, so that some single passes say another class."""
    model, images, labels = task(0.25, 0.75, seed=3)
    noisy = Noisy(model, 0.4)
    reach = deepest("linf", model.slope(labels), images, EPS["linf"])
    clear = model.margin(images, labels) > 2.5 * reach
    fall = (model.margin(images, labels) < 0.8 * reach) & (model.margin(images, labels) > 0)
    assert clear.sum() > 10, "some must stand by far"
    assert fall.sum() > 5, "some must fall"
    once, often = (attacked(noisy, images, labels, spec(name, samples)) for samples in (1, 40))
    assert once.broken[clear].float().mean() > often.broken[clear].float().mean() + 0.2
    assert often.broken[clear].float().mean() < 0.1
    assert often.broken[fall].float().mean() > 0.9


@pytest.mark.parametrize("name", AVERAGING)
def test_several_passes_of_a_network_without_chance_are_one(name: str) -> None:
    model, images, labels = task(0.25, 0.75, seed=3)
    once, often = (attacked(model, images, labels, spec(name, samples)) for samples in (1, 4))
    assert torch.equal(once.broken, often.broken)
    assert often.passes == 4 * once.passes


def test_the_starts_are_the_same_whatever_the_passes() -> None:
    model, images, labels = task(0.25, 0.75, seed=3)
    outcomes = [
        run_attack(model, images, labels, one, seed=7, label="a", indices=torch.arange(len(images)))
        for one in (spec("apgd", 1), spec("apgd", 2))
    ]
    torch.testing.assert_close(outcomes[0].adversarial, outcomes[1].adversarial)


@pytest.mark.parametrize("name", sorted(set(ATTACKS) - set(AVERAGING)))
def test_an_attack_that_averages_nothing_refuses_samples(name: str) -> None:
    with pytest.raises(ValidationError, match="takes no mean of several passes"):
        AttackSpec.model_validate({"label": "a", "name": name, "eps": 0.1, "steps": 5, "samples": 2})
    assert AttackSpec.model_validate({"label": "a", "name": name, "eps": 0.1, "steps": 5}).samples == 1
