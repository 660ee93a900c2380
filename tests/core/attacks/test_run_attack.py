"""An attack's row names its function: one signature for all, found by the row alone."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import AttackOutcome, run_attack
from cartl_core.attacks.random_starts import AttackRandomness
from cartl_core.attacks.run_attack import IMPLEMENTATIONS, Attack
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures import attack as attack_module
from cartl_core.spec.measures.attack import ATTACKS

SIGNATURE = list(inspect.signature(Attack.__call__).parameters.values())[1:]


@pytest.mark.parametrize("name", ATTACKS)
def test_each_row_names_a_function_with_the_one_signature(name: str) -> None:
    function = IMPLEMENTATIONS[name]
    assert list(inspect.signature(function).parameters.values()) == SIGNATURE
    assert ATTACKS[name].implementation == f"{function.__module__}:{function.__qualname__}"  # type: ignore[attr-defined]


def test_the_names_of_a_request_are_the_rows() -> None:
    assert get_args(attack_module.AttackName) == tuple(ATTACKS)
    assert AttackSpec.model_json_schema()["properties"]["name"]["enum"] == list(ATTACKS)


def constant(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    randomness: AttackRandomness | None = None,
    skip: Tensor | None = None,
) -> AttackOutcome:
    """Breaks what its random numbers say."""
    assert randomness is not None
    drawn = randomness.starts(0).flatten(1)[:, 0].abs() + randomness.numbers(0, 1, 1)[:, 0]
    broken = drawn > attack.eps
    return AttackOutcome(broken, images, passes=7, not_finite=torch.zeros_like(broken))


def test_every_attack_gets_starts_and_numbers_by_the_images_indices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(IMPLEMENTATIONS, "square", constant)
    spec = AttackSpec(label="a", name="square", eps=0.5, steps=1)
    images, labels = torch.zeros(6, 1, 2, 2), torch.zeros(6, dtype=torch.int64)
    whole = run_attack(nn.Flatten(), images, labels, spec, seed=1, label="a", indices=torch.arange(6))
    part = run_attack(
        nn.Flatten(), images[2:4], labels[2:4], spec, seed=1, label="a", indices=torch.tensor([2, 3])
    )
    assert whole.passes == 7 and 0 < whole.broken.sum() < 6
    assert part.broken.tolist() == whole.broken[2:4].tolist()


@pytest.mark.parametrize("name", ATTACKS)
def test_missing_chance_is_refused(name: str) -> None:
    row = {"label": "a", "name": name, "eps": 0.1, "steps": 1, "step": 0.1 if ATTACKS[name].sized else None}
    with pytest.raises(ValueError, match="randomness must be given"):
        IMPLEMENTATIONS[name](
            nn.Sequential(nn.Flatten(), nn.Linear(4, 5)),
            torch.zeros(2, 1, 2, 2),
            torch.zeros(2, dtype=torch.int64),
            AttackSpec.model_validate(row),
        )


def test_the_table_needs_no_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from cartl_core.spec.measures.attack import ATTACKS\n"
        "print(*(row.implementation for row in ATTACKS.values()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [row.implementation for row in ATTACKS.values()]
