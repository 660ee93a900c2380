"""While a model is looked at its reparametrised weights are computed once, and nobody else's are."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cartl_core.nn.module_state import preserve_model_state


class Counting(nn.Module):
    """Twice the weight; counts how often it was computed."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def forward(self, weight: Tensor) -> Tensor:
        self.times += 1
        return 2 * weight


def layer() -> tuple[nn.Linear, Counting]:
    made, counting = nn.Linear(3, 3, bias=False), Counting()
    parametrize.register_parametrization(made, "weight", counting)
    counting.times = 0
    return made, counting


def test_a_reparametrised_weight_is_computed_once_within_and_each_time_outside() -> None:
    made, counting = layer()
    x = torch.rand(2, 3)
    with preserve_model_state(made):
        first = made(x)
        with preserve_model_state(made):
            assert torch.equal(made(x), first)
        assert torch.equal(made(x), first)
        assert counting.times == 1
    with torch.no_grad():
        made.get_parameter("parametrizations.weight.original").mul_(2.0)
    assert torch.equal(made(x), 2 * first) and counting.times == 2


def test_other_networks_of_the_process_are_computed_as_ever() -> None:
    """As one that another thread trains meanwhile: its weights follow their parameters."""
    looked_at, _ = layer()
    trained, counting = layer()
    x = torch.rand(2, 3)
    with preserve_model_state(looked_at):
        before = trained(x)
        with torch.no_grad():
            trained.get_parameter("parametrizations.weight.original").mul_(2.0)
        assert torch.equal(trained(x), 2 * before) and counting.times == 2


def test_a_copy_that_is_made_within_has_weights_of_its_own() -> None:
    made, _ = layer()
    x = torch.rand(2, 3)
    with preserve_model_state(made):
        before = made(x)
        exact = copy.deepcopy(made).double()
        assert exact(x.double()).dtype == torch.double
        with torch.no_grad():
            exact.get_parameter("parametrizations.weight.original").mul_(2.0)
        torch.testing.assert_close(exact(x.double()).float(), 2 * before)
        assert torch.equal(made(x), before)
