"""What another library calls the tensors of a network: from our names to theirs.

Ours are those of the catalog's trees: ``stem``, ``blocks.0`` and so on, the head last. A part of a block has
a template such as ``layer{group}.{position}.conv1``: a group begins where a block has a shortcut or a halving
of its own. The way back is the same table, inverted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NORMALISATION = "normalize"
BEGINS_A_GROUP = {"shortcut", "downsample"}
WRAPPED = "residual."
"""What a residual block is called beside the pooling that closes it."""

_HOLE = re.compile(r"\\{(group|position|index)\\}")


@dataclass(frozen=True)
class Renaming:
    """Names of parts by our names of them, the longest first; "" stands for the part as a whole.

    A block's names may have ``{group}``, which counts from ``first_group``, ``{position}`` inside of the
    group, and ``{index}`` among all blocks.
    """

    stem: Mapping[str, str]
    block: Mapping[str, str]
    head: str
    closing: Mapping[str, str] | None = None
    first_group: int = 0

    def to_theirs(self, names: Iterable[str]) -> dict[str, str]:
        """Their name of each of ``names``, tensors of one network of ours, in order.

        The normalisation is left out: it is no tensor of theirs.

        Raises:
            ValueError: the layout has no such tensor; it is named.
        """
        names = list(names)
        indices = [_index(name) for name in names if name.startswith("blocks.")]
        last = max(indices, default=0)
        places = self._places(names, last)
        renamed: dict[str, str] = {}
        for name in names:
            part, _, inner = name.partition(".")
            if part == NORMALISATION:
                continue
            if part == "stem":
                theirs = _renamed(self.stem, inner)
            else:
                index = _index(name)
                inner = name.split(".", 2)[2].removeprefix(WRAPPED)
                if index == last:
                    theirs = f"{self.head}.{inner}"
                elif self.closing is not None and index == last - 1:
                    theirs = _renamed(self.closing, inner)
                else:
                    found = _renamed(self.block, inner)
                    theirs = found and found.format(**places[index])
            if theirs is None:
                raise ValueError(f"this layout has no tensor for {name!r}")
            renamed[name] = theirs
        return renamed

    def pattern(self) -> re.Pattern[str]:
        """What the names of a network in this layout look like, whatever its size."""
        parts = {*self.stem.values(), *self.block.values(), *(self.closing or {}).values(), self.head}
        each = "|".join(_HOLE.sub(r"\\d+", re.escape(part)) for part in sorted(parts))
        return re.compile(rf"(?:{each})(?:\.[^.]+)*", re.ASCII)

    def _places(self, names: Iterable[str], last: int) -> list[dict[str, int]]:
        beginning = {
            _index(name)
            for name in names
            if name.startswith("blocks.") and BEGINS_A_GROUP & set(name.split(".")) and _index(name) > 0
        }
        places, group, position = [], self.first_group, -1
        for index in range(last):
            group, position = (group + 1, 0) if index in beginning else (group, position + 1)
            places.append({"group": group, "position": position, "index": index})
        return places


def _renamed(table: Mapping[str, str], inner: str) -> str | None:
    """By the longest entry that stands before ``inner``; None where there is none."""
    parts = inner.split(".")
    for length in range(len(parts), -1, -1):
        theirs = table.get(".".join(parts[:length]))
        if theirs is not None:
            return ".".join((theirs, *parts[length:]))
    return None


def _index(name: str) -> int:
    return int(name.split(".", 2)[1])
