"""The way to a hyperplane inside the box: against linear programs, quadratic ones, and what must hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, lsq_linear
from torch import Tensor

from cartl_core.attacks.hyperplane import to_hyperplane
from cartl_core.nn.rng import generator

ORDER = {"linf": torch.inf, "l2": 2, "l1": 1}
NORMS = tuple(ORDER)
ROWS, SIZE = 40, 12


def problem(seed: int, rows: int = ROWS, size: int = SIZE) -> tuple[Tensor, Tensor, Tensor]:
    """Points of the box, many at its walls; slopes, some 0; heights that the box can reach in most rows."""
    draw = generator(seed, "hyperplane")
    point = torch.rand(rows, size, generator=draw, dtype=torch.float64)
    point = point.where((point - 0.5).abs() < 0.35, point.round())
    slope = torch.randn(rows, size, generator=draw, dtype=torch.float64)
    slope *= torch.rand(rows, size, generator=draw) > 0.2
    share = torch.rand(rows, generator=draw, dtype=torch.float64) * 1.2
    # In one draw of 1,500 no row would be out of reach.
    share[0] = 1.1
    sign = (torch.rand(rows, generator=draw) < 0.5) * 2.0 - 1
    return point, slope, sign * share * reach(point, slope * sign.unsqueeze(1))


def reach(point: Tensor, slope: Tensor) -> Tensor:
    """(N,): the most that the box lets a point gain."""
    return (slope.abs() * torch.where(slope > 0, 1 - point, point)).sum(1)


def reachable(point: Tensor, slope: Tensor, height: Tensor) -> Tensor:
    return height.abs() <= reach(point, slope * height.sign().unsqueeze(1)) * (1 - 1e-9)


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_way_ends_in_the_box_and_on_the_hyperplane_where_the_box_meets_it(norm: str, seed: int) -> None:
    point, slope, height = problem(seed)
    way = to_hyperplane(point, slope, height, norm)  # type: ignore[arg-type]
    end, gained = point + way, (slope * way).sum(1)
    assert end.min() >= -1e-12
    assert end.max() <= 1 + 1e-12
    meets = reachable(point, slope, height)
    torch.testing.assert_close(gained[meets], height[meets], rtol=1e-9, atol=1e-12)
    most = height.sign() * reach(point, slope * height.sign().unsqueeze(1))
    torch.testing.assert_close(gained[~meets], most[~meets])
    assert 0 < meets.sum() < ROWS


def by_linear_program(point: Tensor, slope: Tensor, height: float) -> float:
    """The least t such that some z of the box within t of the point (Linf) lies on the hyperplane."""
    size = len(point)
    near = np.block([[np.eye(size), -np.ones((size, 1))], [-np.eye(size), -np.ones((size, 1))]])
    answer = linprog(
        c=[0.0] * size + [1.0],
        A_ub=near,
        b_ub=np.zeros(2 * size),
        A_eq=np.append(slope.numpy(), 0.0)[None],
        b_eq=[height],
        bounds=[(-x, 1 - x) for x in point.tolist()] + [(0, None)],
    )
    assert answer.success
    return float(answer.fun)


def by_least_squares(point: Tensor, slope: Tensor, height: float) -> float:
    """The least squares problem ||way|| with a heavy penalty for missing the hyperplane."""
    heavy = 1e5
    answer = lsq_linear(
        np.vstack([np.eye(len(point)), heavy * slope.numpy()]),
        np.append(np.zeros(len(point)), heavy * height),
        bounds=(-point.numpy() - 1e-15, 1 - point.numpy() + 1e-15),
        tol=1e-14,
    )
    return float(np.linalg.norm(answer.x))


def by_linear_program_in_l1(point: Tensor, slope: Tensor, height: float) -> float:
    """The least sum of what goes up and what goes down, each coordinate within the box."""
    answer = linprog(
        c=[1.0] * (2 * len(point)),
        A_eq=np.concatenate([slope.numpy(), -slope.numpy()])[None],
        b_eq=[height],
        bounds=[(0, 1 - x) for x in point.tolist()] + [(0, x) for x in point.tolist()],
    )
    assert answer.success
    return float(answer.fun)


SOLVERS = {"linf": by_linear_program, "l2": by_least_squares, "l1": by_linear_program_in_l1}


@pytest.mark.parametrize(("norm", "solve"), SOLVERS.items())
def test_no_other_way_is_shorter(norm: str, solve: object) -> None:
    point, slope, height = problem(7)
    meets = reachable(point, slope, height)
    way = to_hyperplane(point, slope, height, norm)  # type: ignore[arg-type]
    found = torch.linalg.vector_norm(way, ord=ORDER[norm], dim=1)
    for row in meets.nonzero().squeeze(1).tolist():
        least = solve(point[row], slope[row], float(height[row]))  # type: ignore[operator]
        assert float(found[row]) == pytest.approx(least, rel=1e-5, abs=1e-7)


def test_far_from_the_walls_it_is_the_text_book_projection() -> None:
    _, slope, _ = problem(3)
    point, height = torch.full_like(slope, 0.5), torch.full((ROWS,), 0.01, dtype=torch.float64)
    straight = height.unsqueeze(1) * slope / slope.square().sum(1, keepdim=True)
    torch.testing.assert_close(to_hyperplane(point, slope, height, "l2"), straight)
    even = height.unsqueeze(1) * slope.sign() / slope.abs().sum(1, keepdim=True)
    torch.testing.assert_close(to_hyperplane(point, slope, height, "linf"), even)
    way, steepest = to_hyperplane(point, slope, height, "l1"), slope.abs().argmax(1, keepdim=True)
    alone = (height.unsqueeze(1) / slope.gather(1, steepest)).expand_as(slope)
    torch.testing.assert_close(way, torch.zeros_like(slope).scatter(1, steepest, alone))


def test_in_l1_one_coordinate_after_the_other_goes_to_its_wall() -> None:
    point = torch.tensor([[0.5, 0.9, 0.5, 0.5]])
    slope = torch.tensor([[-1.0, 2.0, 0.0, 0.5]])
    for height, expected in (
        (0.1, [0.0, 0.05, 0.0, 0.0]),
        (0.5, [-0.3, 0.1, 0.0, 0.0]),
        (0.8, [-0.5, 0.1, 0.0, 0.2]),
        (9.0, [-0.5, 0.1, 0.0, 0.5]),
        (-0.2, [0.0, -0.1, 0.0, 0.0]),
    ):
        way = to_hyperplane(point, slope, torch.tensor([height]), "l1")
        torch.testing.assert_close(way, torch.tensor([expected]))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e12])
def test_the_scale_of_the_slope_does_not_matter(norm: str, scale: float) -> None:
    point, slope, height = (part.float() for part in problem(5, rows=50, size=300))
    expected = to_hyperplane(point.double(), slope.double(), height.double(), norm)  # type: ignore[arg-type]
    way = to_hyperplane(point, slope * scale, height * scale, norm)  # type: ignore[arg-type]
    torch.testing.assert_close(way.double(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_a_flat_slope_leads_nowhere_and_nor_does_nothing_to_gain(norm: str) -> None:
    point, slope, height = problem(1)
    flat = to_hyperplane(point, torch.zeros_like(slope), height, norm)  # type: ignore[arg-type]
    still = to_hyperplane(point, slope, torch.zeros_like(height), norm)  # type: ignore[arg-type]
    assert (flat == 0).all()
    assert (still == 0).all()
