"""What wrappers put before the names of a file's tensors, and what they add beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cartl_core.catalog.layouts.refused import TeacherRefused
from cartl_core.catalog.network_tensors import FoundTensor
from cartl_core.strict_json import shown

WRAPPERS = (
    "module.",
    "model.",
    "_orig_mod.",
    "backbone.",
    "ema.",
    "ema_model.",
    "model_ema.",
    "module_ema.",
    "net.",
    "network.",
    "state_dict.",
)
"""Data parallel training, compilation, averaging, and modules that hold the network beside something else."""

ATTACKER = "attacker."
"""MadryLab's robustness saves the network a second time, inside of what attacks it."""

MEANS = {"mean", "mu", "new_mean", "image_mean"}
DEVIATIONS = {"std", "sigma", "new_std", "image_std"}
"""Last parts of the names of a normalisation inside of a network."""

MOST_CHANNELS = 3
COUNTER = "n_averaged"


@dataclass(frozen=True)
class Stripped:
    """``tensors`` are names in the file by names without ``prefix``; the others are whole."""

    prefix: str
    tensors: Mapping[str, str]
    means: tuple[str, ...]
    deviations: tuple[str, ...]


def strip(found: Mapping[str, FoundTensor]) -> Stripped:
    """The names of a network without what stands before all of them.

    Raises:
        TeacherRefused: the file holds two networks.
    """
    means = tuple(name for name, tensor in found.items() if _is(name, tensor, MEANS))
    deviations = tuple(name for name, tensor in found.items() if _is(name, tensor, DEVIATIONS))
    beside = {*means, *deviations}
    names = [name for name in found if name not in beside and name.rpartition(".")[2] != COUNTER]
    prefix = ""
    while names:
        inner = {name: name[len(prefix) :] for name in names}
        twice = {name for name in names if inner[name].startswith(ATTACKER)}
        if twice and len(twice) < len(names):
            kept = {inner[name] for name in names if name not in twice}
            if {inner[name].removeprefix(ATTACKER) for name in twice} <= kept:
                names = [name for name in names if name not in twice]
                continue
        wrappers = {
            wrapper for wrapper in WRAPPERS if any(text.startswith(wrapper) for text in inner.values())
        }
        if len(wrappers) > 1 and all(text.startswith(tuple(wrappers)) for text in inner.values()):
            _refuse_two(wrappers)
        common = next((one for one in wrappers if all(text.startswith(one) for text in inner.values())), None)
        if common is None:
            break
        prefix += common
    return Stripped(prefix, {name[len(prefix) :]: name for name in names}, means, deviations)


def _is(name: str, tensor: FoundTensor, leaves: set[str]) -> bool:
    numbers = 1
    for size in tensor.shape:
        numbers *= size
    return name.rpartition(".")[2] in leaves and 1 <= numbers <= MOST_CHANNELS


def _refuse_two(wrappers: Collection[str]) -> None:
    named = " and ".join(repr(shown(wrapper)) for wrapper in sorted(wrappers))
    raise TeacherRefused(
        "layout_ambiguous", f"the file holds more than one network, under {named}: keep the one that is meant"
    )
