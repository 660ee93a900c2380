"""The blocks of a network that was taken in: their names in its own layout, and their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from cartl_core.catalog.network_size import block_sizes
from cartl_core.spec.architecture import Architecture
from cartl_core.spec.resources.teacher import BlockSize


def sized_blocks(architecture: Architecture, theirs: Mapping[str, str]) -> tuple[BlockSize, ...]:
    """One value for each block, in order; the last is the head.

    Args:
        theirs: their names of tensors by ours; without any a block is called by its number.
    """
    sizes = block_sizes(architecture.model, architecture.classes)
    return tuple(
        BlockSize(
            name=_name(f"blocks.{index}.", theirs)
            or ("head" if index == len(sizes) - 1 else f"block{index + 1}"),
            parameters=size.parameters,
            macs=size.macs,
        )
        for index, size in enumerate(sizes)
    )


def _name(ours: str, theirs: Mapping[str, str]) -> str:
    """What the names of a block's tensors begin with."""
    named = [there.split(".")[:-1] for name, there in theirs.items() if name.startswith(ours)]
    common = takewhile(lambda parts: len(set(parts)) == 1, zip(*named, strict=False))
    return ".".join(parts[0] for parts in common)
