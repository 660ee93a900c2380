"""Random starts: of each sample by itself, different by each of their parts, even in the ball."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cartl_core.attacks import random_starts


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def draw(**changes: object) -> Tensor:
    settings = {"seed": 1, "label": "pgd20", "restart": 0, "indices": range(4), **changes}
    return random_starts((3, 8, 8), 8 / 255, **settings)  # type: ignore[arg-type]


def test_starts_depend_on_the_sample_and_not_on_its_batch() -> None:
    whole = draw()
    assert torch.equal(draw(indices=[2, 0]), whole[[2, 0]])
    assert torch.equal(draw(indices=torch.tensor([3])), whole[3:])


@pytest.mark.parametrize(
    "changes", [{"seed": 2}, {"label": "pgd100"}, {"restart": 1}, {"indices": range(4, 8)}]
)
def test_starts_differ_by_each_of_their_parts(changes: dict[str, object]) -> None:
    assert (draw(**changes) != draw()).float().mean() > 0.99


def test_starts_fill_the_ball_evenly() -> None:
    eps = 8 / 255
    values = random_starts((3, 8, 8), eps, seed=0, label="a", restart=0, indices=range(100)).flatten() / eps
    assert values.abs().max() <= 1
    assert values.abs().max() > 0.999
    n = len(values)
    assert abs(float(values.mean())) < 5 * (1 / 3 / n) ** 0.5
    quarters = torch.histc(values, bins=4, min=-1, max=1) / n
    assert (quarters - 0.25).abs().max() < 5 * (0.25 * 0.75 / n) ** 0.5


def test_no_samples_no_starts() -> None:
    assert random_starts((1, 2, 2), 0.1, seed=0, label="a", restart=0, indices=[]).shape == (0, 1, 2, 2)
