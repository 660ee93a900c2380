"""Networks by name: their family, how many blocks they have, and their layers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cartl_core.catalog.architectures import FAMILIES, Family, Layout
from cartl_core.errors import SpecError
from cartl_core.spec.data_and_model import ModelSpec

_TRAINED_HERE = tuple(family for family in FAMILIES.values() if not family.published)

KNOWN_MODELS: tuple[str, ...] = tuple(name for family in _TRAINED_HERE for name in family.names)
OTHER_MODELS: tuple[str, ...] = tuple(family.others for family in _TRAINED_HERE if family.others)
"""Names that are known without being listed, in words."""

PUBLISHED_MODELS: tuple[str, ...] = tuple(
    name for family in FAMILIES.values() if family.published for name in family.names
)
"""Networks that come in as teachers: others have trained them."""


@dataclass(frozen=True)
class ModelFacts:
    """A network's name and how many blocks it has (Chen et al., section 4; the stem goes with block 1)."""

    name: str
    family: str
    blocks: int
    published: bool = False
    batch_norm: bool = True


ANY_SIZE = 224
"""Pixels that every network takes."""


def model_facts(name: str, *, field: str = "model.name") -> ModelFacts:
    """Facts of a network by its name; raises ``SpecError`` that lists the known ones."""
    family = _family_of(name, field)
    return ModelFacts(
        name,
        family.name,
        _blocks(family.name, name),
        published=family.published,
        batch_norm=family.batch_norm,
    )


def layout_of(model: ModelSpec, classes: int) -> Layout:
    """The layers of ``model`` with ``classes`` outputs.

    Raises:
        SpecError: the network's name is unknown, or it takes no such input.
    """
    family = _family_of(model.name, "model.name")
    if family.published and model.stem_stride != 1:
        raise SpecError("model.stem_stride", f"{model.name} has a stem of its own", allowed="1")
    return family.layout(model, classes)


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
    return len(FAMILIES[family].layout(ModelSpec(name=name, image_size=ANY_SIZE), 2).blocks)


PAPER_MODELS: dict[str, str] = {"cifar100": "wrn-34-10", "cifar10": "wrn-28-4", "svhn": "resnet18"}
