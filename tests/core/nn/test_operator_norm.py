from __future__ import annotations

from math import ceil, sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cartl_core.nn.operator_norm import convolution_norm, reshaped_sigma
from cartl_core.nn.rng import generator


def convolution(inside: int, outside: int, kernel: int, stride: int, padding: int, seed: int) -> nn.Conv2d:
    layer = nn.Conv2d(inside, outside, kernel, stride, padding, bias=False)
    nn.init.normal_(layer.weight, generator=generator(seed, "weight"))
    return layer


def bound_by_sigma(layer: nn.Conv2d) -> float:
    """The module's own claim: each pixel enters through so many patches at most."""
    overlap = 1
    for kernel, stride in zip(layer.kernel_size, layer.stride, strict=True):
        overlap *= ceil(kernel / stride)
    return sqrt(overlap) * reshaped_sigma(layer.weight)


def exact_norm(layer: nn.Conv2d, size: tuple[int, int]) -> float:
    """Largest singular value of the whole convolution written out as a matrix."""
    pixels = layer.in_channels * size[0] * size[1]
    basis = torch.eye(pixels, dtype=torch.float64).view(pixels, layer.in_channels, *size)
    with torch.no_grad():
        columns = torch.nn.functional.conv2d(
            basis, layer.weight.double(), None, layer.stride, layer.padding, layer.dilation, layer.groups
        )
    return float(torch.linalg.matrix_norm(columns.flatten(1), ord=2))


def test_reshaped_sigma_of_a_diagonal_kernel() -> None:
    weight = torch.zeros(3, 2, 2, 2)
    weight[0, 0, 0, 0], weight[1, 1, 1, 0], weight[2, 0, 1, 1] = 3.0, -5.0, 2.0
    assert reshaped_sigma(weight) == pytest.approx(5.0, abs=1e-12)


@pytest.mark.parametrize("shape", [(4, 3, 3, 3), (20, 2, 2, 2), (5, 5), (1, 7), (7, 1)])
def test_reshaped_sigma_equals_that_of_the_full_decomposition(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=generator(0, "weight"), dtype=torch.float64)
    exact = float(torch.linalg.svdvals(weight.reshape(shape[0], -1))[0])
    assert reshaped_sigma(weight) == pytest.approx(exact, rel=1e-10)
    assert reshaped_sigma(torch.zeros(shape)) == 0.0


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (1, 1, 0), (1, 2, 0), (2, 1, 0)]
)
def test_estimate_equals_the_norm_of_the_matrix(kernel: int, stride: int, padding: int) -> None:
    layer = convolution(2, 3, kernel, stride, padding, seed=kernel + stride)
    estimate = convolution_norm(layer, (5, 6), generator(1, "image"), iterations=3000)
    assert estimate == pytest.approx(exact_norm(layer, (5, 6)), rel=1e-6)


def test_estimate_is_reached_from_below() -> None:
    layer = convolution(3, 4, 3, 1, 1, seed=3)
    exact = exact_norm(layer, (6, 6))
    estimates = [convolution_norm(layer, (6, 6), generator(1), iterations=n) for n in (1, 3, 10, 100)]
    assert estimates == sorted(estimates)
    assert estimates[0] < 0.999 * exact
    assert estimates[-1] <= exact * (1 + 1e-9)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([0, 1]),
    st.integers(0, 999),
)
def test_the_bound_by_sigma_is_never_below_the_exact_norm(
    inside: int, outside: int, kernel: int, stride: int, padding: int, seed: int
) -> None:
    layer = convolution(inside, outside, kernel, stride, padding, seed)
    assert exact_norm(layer, (5, 5)) <= bound_by_sigma(layer) * (1 + 1e-9)


def test_bound_is_attained_by_a_constant_kernel_on_a_large_image() -> None:
    """A mean filter passes a constant image: sigma = 3 / 9, norm -> 1, bound = 3 * sigma = 1."""
    layer = convolution(1, 1, 3, 1, 1, seed=0)
    nn.init.constant_(layer.weight, 1 / 9)
    assert bound_by_sigma(layer) == pytest.approx(1.0)
    assert 0.98 < convolution_norm(layer, (24, 24), generator(2), iterations=300) <= 1.0


def test_what_the_formulas_do_not_cover_is_refused() -> None:
    with pytest.raises(ValueError, match="zeros"):
        convolution_norm(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), (4, 4), generator(0))
