"""Layers of a network as values: their tensors, what becomes of a shape, and multiply-adds; torch-free.

``cartl_core.nn.build`` makes a module of each. A shape is (C, H, W) of an image or of features, or (F,)
after pooling: the batch apart. Names of tensors are those of the module's state dict, in its order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Literal, Protocol

Shape = tuple[int, ...]


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a network's file; ``trained`` is False of statistics, counts and the normalisation."""

    name: str
    shape: Shape
    trained: bool = True
    dtype: Literal["F32", "I64"] = "F32"


@dataclass(frozen=True)
class Passage:
    """``shape`` of what leaves a layer, and the ``macs`` (multiply-adds) that it cost, for one image."""

    shape: Shape
    macs: int = 0


class Layer(Protocol):
    """What every layer says of itself."""

    def tensors(self) -> Iterator[StoredTensor]:
        """Its tensors, named within the layer."""
        ...

    def passage(self, shape: Shape) -> Passage:
        """What happens to an input of ``shape``; raises ``ValueError`` where that does not fit."""
        ...


@dataclass(frozen=True)
class Conv:
    """A square convolution; ``pad`` pixels of zeros on each side, None: half its ``size``."""

    inputs: int
    outputs: int
    size: int
    stride: int = 1
    pad: int | None = None
    bias: bool = False

    @property
    def padding(self) -> int:
        """Pixels of zeros on each side."""
        return self.size // 2 if self.pad is None else self.pad

    def tensors(self) -> Iterator[StoredTensor]:
        """The weight (outputs, inputs, size, size), and the bias (outputs,) where there is one."""
        yield StoredTensor("weight", (self.outputs, self.inputs, self.size, self.size))
        if self.bias:
            yield StoredTensor("bias", (self.outputs,))

    def passage(self, shape: Shape) -> Passage:
        """(inputs, H, W) to (outputs, H', W')."""
        expect(self, shape, self.inputs, axes=3)
        height, width = ((side + 2 * self.padding - self.size) // self.stride + 1 for side in shape[1:])
        macs = self.inputs * self.outputs * self.size**2 * height * width
        return Passage((self.outputs, height, width), macs)


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation of ``width`` channels, with weight, bias and running statistics."""

    width: int

    def tensors(self) -> Iterator[StoredTensor]:
        """Two parameters, two statistics and the number of batches seen."""
        yield StoredTensor("weight", (self.width,))
        yield StoredTensor("bias", (self.width,))
        yield StoredTensor("running_mean", (self.width,), trained=False)
        yield StoredTensor("running_var", (self.width,), trained=False)
        yield StoredTensor("num_batches_tracked", (), trained=False, dtype="I64")

    def passage(self, shape: Shape) -> Passage:
        """(width, H, W), unchanged; its multiply-adds are not counted."""
        expect(self, shape, self.width, axes=3)
        return Passage(shape)


@dataclass(frozen=True)
class Linear:
    """A linear layer with bias."""

    inputs: int
    outputs: int

    def tensors(self) -> Iterator[StoredTensor]:
        """The weight (outputs, inputs) and the bias (outputs,)."""
        yield StoredTensor("weight", (self.outputs, self.inputs))
        yield StoredTensor("bias", (self.outputs,))

    def passage(self, shape: Shape) -> Passage:
        """(inputs,) to (outputs,)."""
        expect(self, shape, self.inputs, axes=1)
        return Passage((self.outputs,), self.inputs * self.outputs)


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""

    def tensors(self) -> Iterator[StoredTensor]:
        """None."""
        yield from ()

    def passage(self, shape: Shape) -> Passage:
        """Any shape, unchanged."""
        return Passage(shape)


@dataclass(frozen=True)
class LeakyRelu:
    """x where it is positive, else ``slope`` times x."""

    slope: float

    def tensors(self) -> Iterator[StoredTensor]:
        """None."""
        yield from ()

    def passage(self, shape: Shape) -> Passage:
        """Any shape, unchanged."""
        return Passage(shape)


@dataclass(frozen=True)
class Silu:
    """x times the logistic function of x; swish is another name of it."""

    def tensors(self) -> Iterator[StoredTensor]:
        """None."""
        yield from ()

    def passage(self, shape: Shape) -> Passage:
        """Any shape, unchanged."""
        return Passage(shape)


@dataclass(frozen=True)
class ZeroPad:
    """Rows and columns of zeros around an image, where the sides differ: what follows pads nothing."""

    left: int
    right: int
    top: int
    bottom: int

    def tensors(self) -> Iterator[StoredTensor]:
        """None."""
        yield from ()

    def passage(self, shape: Shape) -> Passage:
        """(C, H, W) to (C, H + top + bottom, W + left + right)."""
        expect(self, shape, shape[0], axes=3)
        channels, height, width = shape
        return Passage((channels, height + self.top + self.bottom, width + self.left + self.right))


@dataclass(frozen=True)
class MaxPool:
    """The largest value of each window of ``size``; ``pad`` pixels on each side count as minus infinity."""

    size: int
    stride: int
    pad: int

    def tensors(self) -> Iterator[StoredTensor]:
        """None."""
        yield from ()

    def passage(self, shape: Shape) -> Passage:
        """(C, H, W) to (C, H', W')."""
        expect(self, shape, shape[0], axes=3)
        height, width = ((side + 2 * self.pad - self.size) // self.stride + 1 for side in shape[1:])
        return Passage((shape[0], height, width))


@dataclass(frozen=True)
class GlobalPool:
    """Mean over all positions."""

    def tensors(self) -> Iterator[StoredTensor]:
        """None."""
        yield from ()

    def passage(self, shape: Shape) -> Passage:
        """(F, H, W) to (F,)."""
        expect(self, shape, shape[0], axes=3)
        return Passage(shape[:1])


@dataclass(frozen=True)
class Sequential:
    """Named layers, one after the other; ``Sequential.of(conv=..., norm=...)``."""

    parts: tuple[tuple[str, Layer], ...]

    @classmethod
    def of(cls, **parts: Layer) -> Sequential:
        """In the order in which they are written."""
        return cls(tuple(parts.items()))

    def tensors(self) -> Iterator[StoredTensor]:
        """Those of each layer, behind its name."""
        for name, layer in self.parts:
            yield from under(name, layer)

    def passage(self, shape: Shape) -> Passage:
        """Through all of them."""
        macs = 0
        for _, layer in self.parts:
            passage = layer.passage(shape)
            shape, macs = passage.shape, macs + passage.macs
        return Passage(shape, macs)


@dataclass(frozen=True)
class Residual:
    """after(shortcut(y) + branch(y)) with y = before(x); what is None is the identity."""

    branch: Layer
    shortcut: Layer | None = None
    before: Layer | None = None
    after: Layer | None = None

    def tensors(self) -> Iterator[StoredTensor]:
        """Those of its four parts."""
        parts = {"before": self.before, "branch": self.branch, "shortcut": self.shortcut, "after": self.after}
        for name, layer in parts.items():
            if layer is not None:
                yield from under(name, layer)

    def passage(self, shape: Shape) -> Passage:
        """Through branch and shortcut, which must give the same shape."""
        entry = _through(self.before, shape)
        branch, shortcut = self.branch.passage(entry.shape), _through(self.shortcut, entry.shape)
        if branch.shape != shortcut.shape:
            raise ValueError(f"a branch gives {branch.shape}, its shortcut {shortcut.shape}")
        leaving = _through(self.after, branch.shape)
        return Passage(leaving.shape, entry.macs + branch.macs + shortcut.macs + leaving.macs)


def under(name: str, layer: Layer) -> Iterator[StoredTensor]:
    """The tensors of ``layer`` where it is the child ``name`` of another."""
    for tensor in layer.tensors():
        yield replace(tensor, name=f"{name}.{tensor.name}")


def parameters_of(layer: Layer) -> int:
    """How many numbers of ``layer`` are trained."""
    return sum(prod(tensor.shape) for tensor in layer.tensors() if tensor.trained)


def _through(layer: Layer | None, shape: Shape) -> Passage:
    return Passage(shape) if layer is None else layer.passage(shape)


def expect(layer: Layer, shape: Shape, channels: int, *, axes: int) -> None:
    """Raise ``ValueError`` where ``shape`` has other channels or another number of axes."""
    if len(shape) != axes or shape[0] != channels:
        raise ValueError(f"{layer} takes {channels} channels in {axes} axes, not {shape}")
