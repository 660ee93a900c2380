"""A family of networks: the names that it knows, and the layers that a name stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cartl_core.catalog.architectures.layers import Layer, Linear, StoredTensor, under
from cartl_core.spec.architecture import Architecture
from cartl_core.spec.data_and_model import ModelSpec


@dataclass(frozen=True)
class Layout:
    """A network's ``stem``, which belongs to block 1, and its ``blocks`` in order; the last is the head."""

    stem: Layer
    blocks: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.blocks[-1], Linear):
            raise TypeError("the last block of a network is its linear head")

    def tensors(self, architecture: Architecture) -> Iterator[StoredTensor]:
        """All tensors of the network's file, in its order."""
        channels = (1, len(architecture.mean), 1, 1)
        yield StoredTensor("normalize.mean", channels, trained=False)
        yield StoredTensor("normalize.std", channels, trained=False)
        yield from under("stem", self.stem)
        for index, block in enumerate(self.blocks):
            yield from under(f"blocks.{index}", block)


def no_others(name: str) -> bool:
    """A family of listed names alone."""
    return False


@dataclass(frozen=True)
class Family:
    """One row for each family, in a module of its own."""

    name: str
    names: tuple[str, ...]
    """That are listed."""
    layout: Callable[[ModelSpec, int], Layout]
    """The layers of a network of the family that has so many outputs."""
    knows: Callable[[str], bool] = no_others
    """Other names."""
    others: str | None = None
    """The other names in words, for errors and documents."""
    published: bool = False
    """Others train them: they come in as teachers, with a stem of their own, and are not pretrained here."""
    batch_norm: bool = True
    """Made of convolutions with batch norm, which NEFT, its audit and the choices of statistics are about."""
