from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cartl_core.nn import gram_iteration
from cartl_core.nn.gram_iteration import (
    CLOSE,
    convolution_upper_bound,
    largest_singular_value,
    linear_upper_bound,
)
from cartl_core.nn.operator_norm import convolution_norm
from cartl_core.nn.rng import generator


def convolution(
    inside: int, outside: int, kernel: int | tuple[int, int], stride: int = 1, padding: int = 1, seed: int = 0
) -> nn.Conv2d:
    layer = nn.Conv2d(inside, outside, kernel, stride, padding, bias=False)
    nn.init.normal_(layer.weight, generator=generator(seed, "weight"))
    return layer


def exact_norm(layer: nn.Conv2d, size: tuple[int, int]) -> float:
    """Largest singular value of the whole zero-padded convolution, written out as a matrix."""
    pixels = layer.in_channels * size[0] * size[1]
    basis = torch.eye(pixels, dtype=torch.float64).view(pixels, layer.in_channels, *size)
    with torch.no_grad():
        columns = nn.functional.conv2d(basis, layer.weight.double(), None, layer.stride, layer.padding)
    return float(torch.linalg.matrix_norm(columns.flatten(1), ord=2))


def circular_norm(kernel: Tensor, side: int) -> float:
    """Another implementation: numpy's FFT of the kernel, all frequencies, full decompositions."""
    transformed = np.fft.fft2(kernel.double().numpy(), (side, side), axes=(2, 3)).transpose(2, 3, 0, 1)
    return float(np.linalg.svd(transformed, compute_uv=False).max())


SHAPES = st.tuples(
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([1, 2, 3, (1, 3), (3, 2)]),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([0, 1, 2]),
    st.integers(0, 9999),
)


@pytest.fixture(params=["circular", "written out"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to the bound, whatever the size."""
    monkeypatch.setattr(gram_iteration, "WRITTEN_OUT_SIDE", 0 if request.param == "circular" else 10**6)
    return str(request.param)


@pytest.fixture
def circular(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gram_iteration, "WRITTEN_OUT_SIDE", 0)


FIXED = [HealthCheck.function_scoped_fixture]


@settings(max_examples=60, deadline=None, suppress_health_check=FIXED)
@given(SHAPES, st.sampled_from([(5, 5), (4, 6), (3, 7)]), st.sampled_from([1e-30, 1e-3, 1.0, 1e20]))
def test_no_convolution_exceeds_its_bound(
    way: str, shape: tuple[int, int, int, int, int, int], size: tuple[int, int], scale: float
) -> None:
    layer = convolution(*shape)
    layer.weight.data.mul_(scale)
    exact, bound = exact_norm(layer, size), convolution_upper_bound(layer, size)
    assert exact <= bound * (1 + 1e-13)
    assert convolution_norm(layer, size, generator(1), iterations=20) <= bound
    if way == "written out" and layer.kernel_size != (1, 1):
        assert bound <= exact * (1 + 2 * CLOSE)


@settings(max_examples=30, deadline=None, suppress_health_check=FIXED)
@given(
    st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 2, 3]), st.integers(3, 8), st.integers(0, 999)
)
def test_at_stride_1_it_is_the_norm_of_the_circular_convolution(
    circular: None, inside: int, outside: int, kernel: int, side: int, seed: int
) -> None:
    layer = convolution(inside, outside, kernel, padding=0, seed=seed)
    exact = circular_norm(layer.weight.detach(), side)
    bound = convolution_upper_bound(layer, (side, side))
    assert exact * (1 - 1e-14) <= bound <= exact * (1 + 2 * CLOSE)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (1, 2), (2, 2), (3, 3), (2, 3)])
def test_a_strided_one_is_bounded_by_less_than_its_stride_1_version(
    circular: None, kernel: int, stride: int
) -> None:
    """On a torus whose side the stride divides the phases are the strided convolution exactly."""
    layer = convolution(3, 4, kernel, stride, padding=0, seed=kernel)
    side = 6
    full = nn.Conv2d(3, 4, kernel, 1, bias=False)
    full.weight = layer.weight
    torus = nn.functional.pad(
        torch.eye(3 * side**2, dtype=torch.float64).view(-1, 3, side, side), (0, kernel - 1) * 2, "circular"
    )
    exact = torch.linalg.matrix_norm(
        nn.functional.conv2d(torus, layer.weight.detach().double(), stride=stride).flatten(1), ord=2
    )
    bound = convolution_upper_bound(layer, (side, side))
    assert float(exact) * (1 - 1e-14) <= bound <= float(exact) * (1 + 2 * CLOSE)
    assert bound <= convolution_upper_bound(full, (side, side)) * (1 + 2 * CLOSE)


def test_the_border_is_all_that_is_lost(circular: None) -> None:
    layer = convolution(6, 6, 3)
    loss = [
        convolution_upper_bound(layer, (side, side))
        / convolution_norm(layer, (side, side), generator(2), iterations=400)
        for side in (4, 8, 24)
    ]
    assert loss == sorted(loss, reverse=True)
    assert loss[-1] < 1.03


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 9999), st.integers(-60, 60))
def test_the_bound_of_a_matrix_is_its_largest_singular_value_from_above(
    rows: int, columns: int, seed: int, exponent: int
) -> None:
    weight = torch.randn(rows, columns, generator=generator(seed)) * 2.0**exponent
    exact = float(torch.linalg.svdvals(weight.double())[0])
    assert exact * (1 - 1e-14) <= linear_upper_bound(weight) <= exact * (1 + 2 * CLOSE)


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_equal_singular_values_are_the_worst_case_and_still_within_reach(size: int) -> None:
    bound = linear_upper_bound(0.3 * torch.linalg.qr(torch.randn(size, size, generator=generator(size)))[0])
    assert 0.3 * (1 - 1e-6) < bound < 0.3 * (1 + 1e-3)


def test_rounding_never_lets_it_fall_below_an_exact_value(circular: None) -> None:
    """Rational oracle: of a matrix [[a, b], [b, a]] the largest singular value is |a| + |b|, exactly."""
    for seed in range(200):
        a, b = torch.rand(2, generator=generator(seed), dtype=torch.float64).tolist()
        bound = linear_upper_bound(torch.tensor([[a, b], [b, a]], dtype=torch.float64))
        assert Fraction(bound) >= Fraction(a) + Fraction(b)
        kernel = nn.Conv2d(1, 1, (1, 2), bias=False).double()
        kernel.weight.data[:] = torch.tensor([a, b], dtype=torch.float64)
        assert Fraction(convolution_upper_bound(kernel, (1, 4))) >= Fraction(a) + Fraction(b)


def test_a_batch_is_bounded_by_its_largest_wherever_it_stands() -> None:
    matrices = torch.randn(40, 5, 7, generator=generator(3), dtype=torch.complex128)
    exact = torch.linalg.svdvals(matrices)[:, 0]
    for order in (exact.argsort(), exact.argsort(descending=True)):
        assert largest_singular_value(matrices[order]) == pytest.approx(float(exact.max()), rel=2 * CLOSE)
    above = largest_singular_value(matrices, floor=2 * float(exact.max()))
    assert float(exact.max()) <= above <= 2 * float(exact.max()) * (1 + 1e-9)


def test_many_frequencies_are_worked_on_in_parts(circular: None, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = convolution(3, 5, 3)
    whole = convolution_upper_bound(layer, (9, 9))
    monkeypatch.setattr(gram_iteration, "CHUNK", 15 * 7)
    assert convolution_upper_bound(layer, (9, 9)) == pytest.approx(whole, rel=2 * CLOSE)


def test_zeros_are_bounded_by_0(way: str) -> None:
    layer = convolution(2, 2, 3)
    nn.init.zeros_(layer.weight)
    assert convolution_upper_bound(layer, (5, 5)) == 0.0
    assert linear_upper_bound(torch.zeros(3, 2)) == 0.0


def test_what_the_proof_does_not_cover_is_refused() -> None:
    for settings_ in ({"dilation": 2}, {"groups": 2}, {"padding_mode": "circular"}, {"padding": "same"}):
        with pytest.raises(ValueError, match="no bound for"):
            convolution_upper_bound(nn.Conv2d(2, 2, 3, **settings_), (6, 6))
    for bad in (float("nan"), float("inf")):
        layer = convolution(1, 1, 3)
        layer.weight.data[0, 0, 1, 1] = bad
        with pytest.raises(ValueError, match="not finite"):
            convolution_upper_bound(layer, (6, 6))
