"""Networks by name: their family, how many blocks they have, and their layers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cartl_core.catalog.architectures import FAMILIES, Family, Layout
from cartl_core.errors import SpecError
from cartl_core.spec.data_and_model import ModelSpec

KNOWN_MODELS: tuple[str, ...] = tuple(name for family in FAMILIES.values() for name in family.names)
OTHER_MODELS: tuple[str, ...] = tuple(family.others for family in FAMILIES.values() if family.others)
"""Names that are known without being listed, in words."""


@dataclass(frozen=True)
class ModelFacts:
    """A network's name and how many blocks it has (Chen et al., section 4; the stem goes with block 1)."""

    name: str
    family: str
    blocks: int


def model_facts(name: str, *, field: str = "model.name") -> ModelFacts:
    """Facts of a network by its name; raises ``SpecError`` that lists the known ones."""
    family = _family_of(name, field)
    return ModelFacts(name, family.name, _blocks(family.name, name))


def layout_of(model: ModelSpec, classes: int) -> Layout:
    """The layers of ``model`` with ``classes`` outputs.

    Raises:
        SpecError: the network's name is unknown.
    """
    return _family_of(model.name, "model.name").layout(model, classes)


def _family_of(name: str, field: str) -> Family:
    for family in FAMILIES.values():
        if name in family.names or family.knows(name):
            return family
    raise SpecError(
        field, f"unknown network {name!r}", allowed=f"{', '.join(KNOWN_MODELS)}, or {'; '.join(OTHER_MODELS)}"
    )


@lru_cache(maxsize=256)
def _blocks(family: str, name: str) -> int:
    """Neither the input nor the number of classes changes how many there are."""
    return len(FAMILIES[family].layout(ModelSpec(name=name), 2).blocks)


PAPER_MODELS: dict[str, str] = {"cifar100": "wrn-34-10", "cifar10": "wrn-28-4", "svhn": "resnet18"}
