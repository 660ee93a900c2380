"""Robust accuracy of any network: figures that are known, what the checks find, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core import evaluate_robustness
from cartl_core.attacks import pgd
from cartl_core.errors import ArgumentInvalid
from cartl_core.run.library.evaluate_robustness import RobustnessResult
from cartl_core.statistics.proportions import wilson
from tests.fixtures.attacked import data, small_net

EPS = 0.02


class Rounds(nn.Module):
    """Rounds its input to 16 levels, so that no gradient reaches it: robust by the figures alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model((x * 15).round() / 15)
        return logits


def status(found: RobustnessResult, name: str) -> str:
    (check,) = (check for check in found.checks if check.name == name)
    return check.status


def test_the_figures_are_shares_of_the_images_with_wilson_intervals() -> None:
    model = small_net()
    images, labels = data(model)
    found = evaluate_robustness(model, images, labels, eps=EPS, attack="pgd100", checks=False)
    right = int((model(images).argmax(1) == labels).sum())
    assert found.clean == wilson(right, 60)
    assert [result.label for result in found.attacks] == ["pgd20", "pgd100"]
    assert found.robust.successes <= min(result.robust.successes for result in found.attacks)
    assert 0 < found.robust.successes < right
    assert found.checks == ()


@pytest.mark.parametrize("size", [7, 60])
def test_batches_change_nothing(size: int) -> None:
    model = small_net()
    images, labels = data(model)
    whole = evaluate_robustness(model, images, labels, eps=EPS, attack="pgd20")
    parts = evaluate_robustness(model, images, labels, eps=EPS, attack="pgd20", batch_size=size)
    assert parts.robust == whole.robust
    assert parts.checks == whole.checks
    assert [result.robust for result in parts.attacks] == [result.robust for result in whole.attacks]


def test_the_model_and_the_global_random_state_stay_as_they_were() -> None:
    model = small_net()
    images, labels = data(model)
    model.train()
    model[3].eval()
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    evaluate_robustness(model, images, labels, eps=EPS, attack="quick")
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def test_an_honest_network_fails_no_check_and_one_that_rounds_is_found_out() -> None:
    model = small_net()
    images, labels = data(model)
    honest = evaluate_robustness(model, images, labels, eps=EPS, attack="pgd20")
    assert [check.name for check in honest.checks if check.status == "failed"] == []
    masked = evaluate_robustness(Rounds(model), images, labels, eps=EPS, attack="pgd20")
    assert status(masked, "gradients") == "failed"
    assert status(masked, "input_range") == "failed"
    assert any(warning.startswith("check failed: ") for warning in masked.warnings)


def test_a_function_is_measured_like_its_network_without_the_check_that_needs_a_copy() -> None:
    model = small_net().float().eval()
    images, labels = data(small_net())
    images = images.float()
    module = evaluate_robustness(model, images, labels, eps=EPS, attack="pgd20")
    function = evaluate_robustness(lambda x: model(x), images, labels, eps=EPS, attack="pgd20")
    assert function.robust == module.robust
    assert status(module, "input_range") == "passed"
    assert status(function, "input_range") == "not_run"
    assert status(function, "gradients") == "passed"


def test_it_prints_as_a_few_lines() -> None:
    model = small_net()
    images, labels = data(model)
    first, few, _, *lines = str(
        evaluate_robustness(model, images, labels, eps=8 / 255, attack="pgd20")
    ).splitlines()
    assert first.startswith("warning: The given network is no better than always answering class 0")
    assert few.startswith("warning: only 60 images")
    assert lines[0].startswith("clean accuracy ")
    assert lines[0].endswith(" on 60 images")
    assert lines[1].startswith("robust accuracy ")
    assert lines[1].endswith(" under pgd20 (linf, eps 8/255)")
    assert lines[2].startswith("  pgd20: ")
    assert lines[3].startswith("checks: ")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no radius": ({"eps": 0}, "eps: .*allowed: above 0"),
    "no such attack": ({"attack": "cw"}, "attack: 'cw' is no known attack; allowed: quick, pgd20"),
    "too few classes": ({}, "attack: autoattack needs 4 classes, not 3; allowed: ensemble"),
    "a norm it does not know": ({"norm": "l0"}, "norm: 'l0' is no norm; allowed: linf, l2, l1"),
    "no batch": ({"batch_size": 0}, "batch_size: 0; allowed: a whole number from 1"),
    "seed": ({"seed": "x"}, "seed: 'x' is no seed"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_named_with_what_is_allowed(case: str) -> None:
    changes, says = WRONG[case]
    model = small_net()
    images, labels = data(model, count=8)
    with pytest.raises(ArgumentInvalid, match=says):
        evaluate_robustness(model, images, labels, **changes)


class Spoiled(nn.Module):
    """Gives logits that are not finite for images that are brighter than ``above``."""

    def __init__(self, model: nn.Module, above: float, value: float) -> None:
        super().__init__()
        self.model, self.above, self.value = model, above, value

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        bright = x.flatten(1).mean(1, keepdim=True) > self.above
        return torch.where(bright, torch.full_like(logits, self.value), logits)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_logits_that_are_not_finite_come_first_and_pass_no_check(value: float, share: float) -> None:
    """Of all images, and of half of them; the public attacks count them too."""
    net = small_net()
    images, labels = data(net)
    brightness = images.flatten(1).mean(1)
    above = -1.0 if share == 0 else float(brightness.quantile(share))
    model = Spoiled(net, above, value)
    found = evaluate_robustness(model, images, labels, eps=EPS, attack="pgd20")
    spoiled = int((brightness > above).sum())
    assert spoiled <= found.not_finite <= 60 and (share > 0 or found.not_finite == 60)
    assert found.clean.successes <= 60 - spoiled
    assert str(found).startswith("warning: The given network gives outputs that are infinite or not a number")
    statuses = {check.name: check.status for check in found.checks}
    assert statuses.pop("finite_outputs") == "failed"
    assert set(statuses.values()) == {"not_run"}
    outcome = pgd(model, images, labels, eps=EPS)
    assert int(outcome.not_finite.sum()) == found.not_finite
    assert (outcome.broken | ~outcome.not_finite).all()


def test_a_constant_answer_is_the_first_thing_said() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor([0.0, 0.0, 1.0]) + 0 * x.flatten(1).sum(1, keepdim=True)

    images = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    found = evaluate_robustness(Constant(), images, torch.arange(60) % 3, eps=EPS, attack="pgd20")
    assert found.robust.successes == 20
    assert found.warnings[0].startswith("The given network answers class 2 to 100.0 % of 60 test images")
