"""An attack leaves no trace on the model, its modes and the random state, whatever becomes of it."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import perturb
from cartl_core.attacks.pgd import run_pgd
from cartl_core.attacks.random_starts import AttackRandomness
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.nn.neft import apply_nonexpansive
from tests.fixtures.attacked import EPS, data, small_net, spec, starts


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def trained_net() -> nn.Sequential:
    """Partly frozen, modes mixed, some gradients set, the last two layers non-expansive."""
    model = small_net()
    apply_nonexpansive(model[3:], 0.8)
    model.train()
    model[1].eval()
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    model[1].bias.requires_grad_(False)
    model(torch.rand(4, 1, 8, 8, dtype=torch.float64)).sum().backward()
    model[7].bias.grad = None
    return model


def everything(model: nn.Module) -> dict[str, object]:
    state = {f"value {k}": v.clone() for k, v in model.state_dict().items()}
    state |= {f"grad {k}": None if p.grad is None else p.grad.clone() for k, p in model.named_parameters()}
    state |= {f"asks {k}": p.requires_grad for k, p in model.named_parameters()}
    state |= {f"mode {k}": m.training for k, m in model.named_modules()}
    state |= {f"hooks {k}": len(m._forward_hooks) for k, m in model.named_modules()}
    state |= {f"place {k}": p.data_ptr() for k, p in model.named_parameters()}
    return state


def assert_same(before: dict[str, object], after: dict[str, object]) -> None:
    assert before.keys() == after.keys()
    for key, value in before.items():
        other = after[key]
        if isinstance(value, Tensor):
            assert isinstance(other, Tensor), key
            same = torch.equal(value, other)
        else:
            same = value == other
        assert same, key


def test_what_the_traces_are_compared_on_is_not_trivial() -> None:
    state = everything(trained_net())
    for kind in ("asks", "mode"):
        assert {value for key, value in state.items() if key.startswith(kind)} == {True, False}
    grads = [value for key, value in state.items() if key.startswith("grad")]
    assert any(grad is None for grad in grads)
    assert any(grad is not None for grad in grads)


@pytest.mark.parametrize("which", ["perturb", "pgd"])
def test_no_trace_is_left(which: str) -> None:
    model = trained_net()
    images, labels = data(copy.deepcopy(model))
    before = everything(model)
    random_state = torch.get_rng_state()
    kept = images.clone(), labels.clone()
    if which == "perturb":
        perturb(model, images, labels, eps=EPS, step=EPS / 4, steps=3, start=starts(range(60))(0))
    else:
        run_pgd(model, images, labels, spec(), randomness=AttackRandomness(starts(range(60))))
    assert_same(before, everything(model))
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(images, kept[0])
    assert torch.equal(labels, kept[1])
    assert images.grad is None


def test_no_trace_is_left_when_the_model_fails_in_the_middle() -> None:
    model = trained_net()
    images, labels = data(copy.deepcopy(model))
    before = everything(model)
    passes = 0

    class Unplugged(Exception):
        pass

    def fail(*_: object) -> None:
        nonlocal passes
        passes += 1
        if passes == 3:
            raise Unplugged

    handle = model[5].register_forward_hook(fail)
    with pytest.raises(Unplugged):
        run_pgd(model, images, labels, spec(), randomness=AttackRandomness(starts(range(60))))
    handle.remove()
    assert_same(before, everything(model))


def test_a_training_step_after_an_attack_equals_one_without() -> None:
    """Also with the graph of the clean pass recorded before the attack."""
    results = []
    for attacked in (False, True):
        model = trained_net()
        images, labels = data(copy.deepcopy(model))
        dropout = model[6]
        assert isinstance(dropout, nn.Dropout)
        dropout.p = 0.0
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        if attacked:
            perturb(model, images, labels, eps=EPS, step=EPS / 4, steps=2)
        loss.backward()
        results.append(everything(model))
    places = [key for key in results[0] if key.startswith("place")]
    for result in results:
        for key in places:
            del result[key]
    assert_same(*results)


def test_within_the_model_is_at_rest_and_contexts_may_be_nested() -> None:
    model = trained_net()
    before = everything(model)
    with preserve_model_state(model):
        with preserve_model_state(model):
            assert not any(module.training for module in model.modules())
            assert not any(parameter.requires_grad for parameter in model.parameters())
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())
    assert_same(before, everything(model))
