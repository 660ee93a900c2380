"""How much a layer can stretch its input, at most: upper bounds that hold in spite of rounding.

Gram iteration (Delattre et al., ICML 2023, arXiv 2305.16173): for G_0 = D and G_t+1 = G_t* G_t the
largest singular value of D is at most ||G_t||_F ** (1 / 2**t), which falls towards it faster than any
power. A circular convolution is block diagonal under the Fourier transform, so its norm is the largest
of those of one (out, in) matrix a frequency.

Ours are zero-padded and may be strided:
- a convolution padded by p zeros is a part of the circular one on n + p pixels a side, where what leaves
  on one side meets the padding of the other. The paper says n + 2p, which is looser;
- one of stride s is a convolution of stride 1 whose channels are the s * s phases of the image, on
  ceil((n + p) / s) pixels a side. The paper bounds it by its stride-1 version, which is looser;
- on maps so small that the border is most of them, the convolution is written out as one matrix.

Most frequencies are not the largest. A Cholesky factorisation of f^2 I - D* D, at a sixth of the price
of an iteration, proves that a matrix lies below f, a value that some matrix is known to reach; only the
others are iterated.

Everything is in float64. The kernel itself is exact (its entries are scaled by a power of two); what is
computed from it is not, so each product is granted ``RESERVE`` times the error that conventional matrix
multiplication can make in any order of summation, each factorisation likewise (Higham, "Accuracy and
stability of numerical algorithms", 2002, sections 3.5, 3.6 and 10.1), and results are rounded up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, frexp, ldexp, pi

import torch
from torch import Tensor, nn
from torch.nn import functional

ITERATIONS = 14
"""Enough for 640 channels of one singular value: 640 ** (1 / 2**15) is 1.0002."""
CLOSE = 1e-4
"""Relative gap between the bound and a value that is reached, at which it is good enough."""
EPSILON = 2.0**-52
RESERVE = 4
CHUNK = 2**21
"""Complex numbers of all matrices that are worked on at once: 32 MiB."""
WRITTEN_OUT_SIDE = 512
WRITTEN_OUT_NUMBERS = 2**19
"""A convolution whose matrix has no more rows or columns, and no more entries, is written out."""
POWER_STEPS = 12
CANDIDATES = 4


def convolution_upper_bound(convolution: nn.Conv2d, size: Sequence[int]) -> float:
    """No image of ``size`` (H, W) is stretched more than this by ``convolution``, in L2, bias apart.

    A few per cent above the norm for 3x3 kernels on small maps, less on larger ones: what differs is the
    border, where the zero-padded convolution has no neighbours to add.

    Raises:
        ValueError: the convolution is dilated or grouped, or pads with anything but zeros; a weight is
            not finite.
    """
    padding = _padding(convolution)
    kernel, exponent = _scaled(convolution.weight)
    columns = kernel.shape[1] * size[0] * size[1]
    rows = kernel.shape[0]
    for side, pad, taps, stride in zip(size, padding, kernel.shape[2:], convolution.stride, strict=True):
        rows *= (side + 2 * pad - taps) // stride + 1
    small = min(rows, columns) <= WRITTEN_OUT_SIDE and rows * columns <= WRITTEN_OUT_NUMBERS
    if small and kernel[0, 0].numel() > 1:
        matrix = _written_out(kernel, size, padding, convolution.stride)
        return ldexp(largest_singular_value(matrix), exponent)
    return ldexp(_circular_bound(kernel, size, padding, convolution.stride), exponent)


def linear_upper_bound(weight: Tensor) -> float:
    """The largest singular value of ``weight`` (out, in), or a little more.

    Raises:
        ValueError: a weight is not finite.
    """
    matrix, exponent = _scaled(weight)
    return ldexp(largest_singular_value(matrix[None]), exponent)


def largest_singular_value(matrices: Tensor, *, floor: float = 0.0) -> float:
    """An upper bound of the singular values of all ``matrices`` (F, m, n).

    It is at most ``CLOSE`` above the largest of them and of ``floor``.

    Args:
        matrices: real or complex, in double precision.
        floor: by how little smaller ones lie below this is of no interest.
    """
    if matrices.shape[1] < matrices.shape[2]:
        matrices = matrices.mH
    rows, columns = matrices.shape[1:]
    slack = RESERVE * 2 * (rows + 2) * EPSILON
    norms = _norms(matrices)
    gram = _gram(matrices, norms)
    floor = max(floor, _reached(gram, norms))
    squared = (floor / norms.clamp_min(_tiny(norms))).square().clamp(max=1)
    below = _proven_below(gram, squared)
    # The trace bounds the error of the factorisation; ``squared`` is at most 1.
    proven = norms * (squared + slack + RESERVE * 2 * columns * (columns + 2) * EPSILON).sqrt()
    bound = max(_largest(proven[below]), _iterated(gram[~below], norms[~below], floor, slack))
    return bound * (1 + 4 * ITERATIONS * EPSILON)


def _iterated(gram: Tensor, first: Tensor, floor: float, slack: float) -> float:
    """Gram iteration proper, of ``gram`` (F, n, n), made of matrices of Frobenius norm ``first`` (F,).

    With U_t = G_t / ||G_t||_F, sigma(G_t) = ||G_t||_F sigma(U_t) and sigma(U_t)^2 = sigma(U_t* U_t), so the
    bound of the last U, 1, is unwound to one of the first G. What rounding may add is added on the way.
    """
    norms, settled, upper = [first], 0.0, first[:0]
    most = 1 + (gram.shape[1] ** 2 + 8) * EPSILON
    for _ in range(ITERATIONS):
        norms.append(_norms(gram))
        upper = _unwound(norms, torch.full_like(norms[-1], most), slack)
        # Squares that sum to 1: the largest is at least the sum of their own squares.
        floor = max(floor, _largest(_unwound(norms[:-1], norms[-1], 0.0)))
        standing = upper > floor * (1 + CLOSE)
        settled = max(settled, _largest(upper[~standing]))
        if not standing.any():
            return settled
        norms = [values[standing] for values in norms]
        gram = _gram(gram[standing], norms[-1])
    return max(settled, _largest(upper))


def _padding(convolution: nn.Conv2d) -> tuple[int, ...]:
    """Zeros on each side, by axis; refuses what the proofs do not cover."""
    padding = convolution.padding
    if convolution.padding_mode != "zeros" or isinstance(padding, str):
        raise ValueError(f"no bound for padding {padding} of mode {convolution.padding_mode}")
    if tuple(convolution.dilation) != (1, 1) or convolution.groups != 1:
        raise ValueError(f"no bound for dilation {convolution.dilation} and groups {convolution.groups}")
    return padding


def _written_out(
    kernel: Tensor, size: Sequence[int], padding: tuple[int, ...], stride: tuple[int, ...]
) -> Tensor:
    """(1, in * H * W, out * H' * W'): exact, each entry is one of the kernel's or 0."""
    pixels = kernel.shape[1] * size[0] * size[1]
    images = torch.eye(pixels, dtype=kernel.dtype, device=kernel.device).view(pixels, kernel.shape[1], *size)
    patches = functional.unfold(images, kernel.shape[2:], padding=padding, stride=stride)
    return (kernel.flatten(1) @ patches).flatten(1)[None]


def _circular_bound(
    kernel: Tensor, size: Sequence[int], padding: tuple[int, ...], strides: tuple[int, ...]
) -> float:
    grid = []
    for axis, (side, pad, stride) in enumerate(zip(size, padding, strides, strict=True), start=2):
        # Each output has a place of its own as well, also where the padding is wider than the kernel.
        around = max(side + pad, side + 2 * pad - kernel.shape[axis] + 1)
        kernel = _phases(kernel, axis, stride)
        # A kernel of one pixel does the same at every frequency.
        grid.append(1 if kernel.shape[axis] == 1 else ceil(around / stride))
    largest = 0.0
    for matrices in _frequencies(kernel, grid):
        largest = max(largest, largest_singular_value(matrices, floor=largest))
    return (largest + _error_of_matrices(kernel)) * (1 + 4 * EPSILON)


def _unwound(norms: Sequence[Tensor], top: Tensor, slack: float) -> Tensor:
    """(F,): from a bound of the last normalised matrix to one of the first matrix."""
    for norm in reversed(norms[1:]):
        top = (norm * top + slack).sqrt()
    first: Tensor = norms[0] * top
    return first


def _largest(values: Tensor) -> float:
    """Of numbers that are not negative; 0 where there are none."""
    return float(values.max()) if len(values) else 0.0


def _norms(matrices: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(matrices, dim=(1, 2))
    return norms


def _gram(matrices: Tensor, norms: Tensor) -> Tensor:
    unit = matrices / norms.clamp_min(_tiny(norms))[:, None, None]
    gram: Tensor = unit.mH @ unit
    return gram


def _reached(gram: Tensor, norms: Tensor) -> float:
    """A value that the largest singular value reaches, up to rounding: exact for the likeliest matrices.

    Power iteration from the longest column tells which these are. Nothing that is proven depends on it.
    """
    longest = gram.diagonal(dim1=1, dim2=2).real.argmax(dim=1)
    vector = gram[torch.arange(len(gram), device=gram.device), :, longest, None]
    length = _norms(vector)
    for _ in range(POWER_STEPS):
        vector = gram @ (vector / length.clamp_min(_tiny(length))[:, None, None])
        length = _norms(vector)
    likeliest = (norms * length.sqrt()).topk(min(CANDIDATES, len(gram))).indices
    exact = torch.linalg.eigvalsh(gram[likeliest])[:, -1].clamp_min(0).sqrt()
    return float((norms[likeliest] * exact).max())


def _proven_below(gram: Tensor, squared: Tensor) -> Tensor:
    """(F,) bool: where squared * I - gram has a Cholesky factorisation."""
    gap = -gram
    gap.diagonal(dim1=1, dim2=2).add_(squared[:, None])
    proven: Tensor = torch.linalg.cholesky_ex(gap).info == 0
    return proven


def _tiny(values: Tensor) -> float:
    return torch.finfo(values.dtype).tiny


def _scaled(weight: Tensor) -> tuple[Tensor, int]:
    """``weight`` in double precision over a power of two, so that its largest entry is about 1; the power."""
    if not weight.isfinite().all():
        raise ValueError("no bound for a weight that is not finite")
    exact = weight.detach().double()
    exponent = frexp(float(exact.abs().max()))[1]
    return torch.ldexp(exact, torch.tensor(-exponent, device=exact.device)), exponent


def _phases(kernel: Tensor, axis: int, stride: int) -> Tensor:
    """(out, in, ...) to (out, in * stride, ...): every stride-th row of ``axis`` becomes a channel."""
    if stride == 1:
        return kernel
    length = ceil(kernel.shape[axis] / stride)
    missing = list(kernel.shape)
    missing[axis] = length * stride - kernel.shape[axis]
    whole = torch.cat([kernel, kernel.new_zeros(missing)], dim=axis)
    apart = whole.view(*kernel.shape[:axis], length, stride, *kernel.shape[axis + 1 :])
    return apart.movedim(axis + 1, 2).flatten(1, 2)


def _frequencies(kernel: Tensor, grid: Sequence[int]) -> Iterator[Tensor]:
    """The matrices (F, out, in) of all frequencies of ``grid``, some at a time.

    A real kernel's matrix at -u is the conjugate of that at u and has its singular values, so half of
    the columns do.
    """
    taps, waves = (
        torch.cartesian_prod(*(torch.arange(side, device=kernel.device) for side in sides))
        for sides in (kernel.shape[2:], (grid[0], grid[1] // 2 + 1))
    )
    flat = kernel.flatten(2).permute(2, 0, 1).flatten(1)
    sides = torch.tensor(grid, device=kernel.device)
    for some in torch.split(waves, max(1, CHUNK // flat.shape[1])):
        # Whole turns are taken off in integers, so that no angle is large.
        turns = (some[:, None] * taps).remainder(sides).double().div(sides).sum(dim=2)
        matrices = torch.complex((2 * pi * turns).cos() @ flat, (2 * pi * turns).sin() @ flat)
        yield matrices.view(-1, *kernel.shape[:2])


def _error_of_matrices(kernel: Tensor) -> float:
    """By how much the matrices of ``_frequencies`` may be off, in any norm below Frobenius'.

    A sum of kh * kw products of an entry and a root of unity, itself right to some units of the last place.
    """
    taps = kernel[0, 0].numel()
    longest = float(torch.linalg.vector_norm(kernel.abs().sum(dim=(2, 3))))
    return RESERVE * (taps + 32) * EPSILON * longest
