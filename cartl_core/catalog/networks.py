"""Facts of the networks: what their names mean and how many blocks they have."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cartl_core.errors import SpecError


@dataclass(frozen=True)
class ModelFacts:
    """A network's name and how many blocks it has (Chen et al., section 4; the stem goes with block 1)."""

    name: str
    family: str
    blocks: int
    depth: int
    width: int


_RESNETS = {"resnet18": (18, 9), "resnet34": (34, 17), "resnet50": (50, 17)}
_WRN = re.compile(r"wrn-([1-9]\d{0,2})-([1-9]\d?)")
KNOWN_MODELS = (
    "tiny",
    "wrn-16-2",
    "wrn-22-2",
    "wrn-28-4",
    "wrn-34-4",
    "wrn-28-10",
    "wrn-34-10",
    *_RESNETS,
)


def model_facts(name: str, *, field: str = "model.name") -> ModelFacts:
    """Facts of a network by its name; raises ``SpecError`` that lists the known ones."""
    if name == "tiny":
        return ModelFacts("tiny", "wrn", 5, 10, 1)
    if name in _RESNETS:
        depth, blocks = _RESNETS[name]
        return ModelFacts(name, "resnet", blocks, depth, 1)
    if match := _WRN.fullmatch(name):
        depth, width = int(match[1]), int(match[2])
        if depth >= 10 and (depth - 4) % 6 == 0 and depth <= 100 and width <= 20:
            return ModelFacts(name, "wrn", (depth - 4) // 2 + 2, depth, width)
    raise SpecError(
        field,
        f"unknown network {name!r}",
        allowed=f"{', '.join(KNOWN_MODELS)}, or wrn-D-W with D = 6n + 4 from 10 to 100 and W from 1 to 20",
    )


PAPER_MODELS: dict[str, str] = {"cifar100": "wrn-34-10", "cifar10": "wrn-28-4", "svhn": "resnet18"}
