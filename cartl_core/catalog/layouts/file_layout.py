"""A layout of files: how it is recognised, what it calls the tensors, and what it does not tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cartl_core.catalog.architectures import FAMILIES
from cartl_core.catalog.layouts.renaming import Renaming

Shapes = Mapping[str, tuple[int, ...]]
"""By the layout's own names, prefixes stripped."""


@dataclass(frozen=True)
class FileLayout:
    """One row for each way in which others write networks."""

    name: str
    about: str
    """Whose class writes it."""
    computes: str
    """Activation, padding and stem: what the tensors do not tell and the class does."""
    families: tuple[str, ...]
    """Of the catalog's networks, which come in this layout."""
    renaming: Renaming
    size: Callable[[Shapes], str | None]
    """The catalog's name of the network, from the shapes; None: there is none of this size."""
    image_size: Callable[[Shapes], int]
    """Side of the images that it takes, where it is not told."""
    stem: str
    """The weight (outputs, channels, ...) that images come to first."""
    prefixes: tuple[str, ...] = ()
    """Of the catalog's names, for those who name a network as its own library does."""
    choose: str | None = None
    """What to name in ``architecture``, where several networks have these shapes."""
    copied: Mapping[str, str] = field(default_factory=dict)
    """Parts that the class keeps and never computes with: of which part each is a copy."""

    def to_theirs(self, names: Iterable[str]) -> dict[str, str]:
        """Their name of each tensor of ours, in order; the normalisation is left out.

        Raises:
            ValueError: the layout has no such tensor; it is named.
        """
        return self.renaming.to_theirs(names)

    def to_ours(self, names: Iterable[str]) -> dict[str, str]:
        """The way back: our name of each of their tensors, for a network that has ``names`` of ours."""
        return {theirs: ours for ours, theirs in self.to_theirs(names).items()}

    def copies(self, names: Iterable[str]) -> dict[str, str]:
        """Their names of the tensors of ``copied`` parts: of which of ``names``, theirs, each is a copy."""
        names = list(names)
        return {
            copy + name.removeprefix(part): name
            for copy, part in self.copied.items()
            for name in names
            if name.startswith(f"{part}.")
        }

    def is_copy(self, name: str) -> bool:
        """Whether it is the name of a tensor that the class never computes with."""
        return any(name.startswith(f"{copy}.") for copy in self.copied)

    def knows(self, name: str) -> bool:
        """Whether a name looks like those of this layout."""
        return self.is_copy(name) or self._pattern.fullmatch(name) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return self.renaming.pattern()

    def network(self, told: str) -> str | None:
        """The catalog's name of the network that is told; None where it does not come in this layout."""
        for name in (told, *(f"{prefix}{told}" for prefix in self.prefixes)):
            if any(
                name in FAMILIES[family].names or FAMILIES[family].knows(name) for family in self.families
            ):
                return name
        return None
