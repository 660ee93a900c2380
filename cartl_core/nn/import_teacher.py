"""A teacher's file of any known layout becomes a network of ours, computing the same.

Nothing is guessed: the layout is recognised by names and shapes, every tensor is compared, and a
normalisation that the file does not hold is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cartl_core.catalog.layouts import OURS, TeacherRefused, recognise
from cartl_core.catalog.layouts.blocks import sized_blocks
from cartl_core.catalog.layouts.recognise import Recognised, match_ours
from cartl_core.catalog.network_file import HEADER_KEY, read_architecture
from cartl_core.catalog.network_tensors import FoundTensor
from cartl_core.catalog.safetensors_header import PUBLISHED_BYTES_OF, Header, HeaderInvalid, read_header
from cartl_core.errors import SpecError
from cartl_core.nn.build import uninitialised
from cartl_core.nn.network import Network
from cartl_core.spec.architecture import Architecture
from cartl_core.spec.resources.teacher import BlockSize, NewTeacher, Normalisation
from cartl_core.strict_json import shown

SAME = 1e-6
"""A normalisation that is told may differ from the file's by so much: single precision."""

AsIs = Literal["none"]


@dataclass(frozen=True, eq=False)
class ImportedTeacher:
    """A network of ours with a teacher's weights, in eval mode, and what its file told."""

    network: Network
    layout: str
    normalisation: AsIs | Normalisation
    blocks: tuple[BlockSize, ...]
    prefix: str = ""
    normalisation_tensors: tuple[str, ...] = ()


def import_teacher(path: Path, told: NewTeacher) -> ImportedTeacher:
    """The network in the safetensors file ``path``, which need not be one.

    Args:
        told: what its owner says of it: layout, architecture, normalisation, classes.

    Raises:
        TeacherRefused: with the reason, and the tensor's or the field's name.
        OSError: it cannot be read.
    """
    header = read_published_header(path)
    found = {tensor.name: FoundTensor(tensor.dtype, tensor.shape) for tensor in header.tensors}
    if HEADER_KEY in header.metadata and told.layout in ("auto", OURS):
        return _ours(path, header, found, told)
    if told.layout == OURS:
        raise TeacherRefused(
            "layout_unknown", f"its header lacks {HEADER_KEY!r}: it is no network file of ours"
        )
    there = recognise(found, layout=told.layout, architecture=told.architecture, classes=told.classes)
    tensors = _read(path, [*there.tensors.values(), *there.means, *there.deviations])
    normalisation = _normalisation(there, tensors, told)
    mean, deviation = _numbers(normalisation, there.model.channels)
    architecture = Architecture(model=there.model, classes=there.classes, mean=mean, std=deviation)
    network = _filled(architecture, {ours: tensors[name] for ours, name in there.tensors.items()})
    theirs = there.row.to_theirs(network.state_dict())
    return ImportedTeacher(
        network,
        there.row.name,
        normalisation,
        sized_blocks(architecture, theirs),
        there.prefix,
        (*there.means[:1], *there.deviations[:1]),
    )


def read_published_header(path: Path) -> Header:
    """The header of a file that others wrote.

    Raises:
        TeacherRefused: it is no safetensors file.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            return read_header(file, path.stat().st_size, PUBLISHED_BYTES_OF)
        except HeaderInvalid as error:
            raise TeacherRefused("not_safetensors", str(error)) from error


def _ours(path: Path, header: Header, found: Mapping[str, FoundTensor], told: NewTeacher) -> ImportedTeacher:
    try:
        architecture = read_architecture(header.metadata)
    except SpecError as error:
        raise TeacherRefused("layout_unknown", error.message) from error
    match_ours(architecture, found)
    for field, asked, there in (
        ("classes", told.classes, architecture.classes),
        ("architecture.name", told.architecture and told.architecture.name, architecture.model.name),
    ):
        if asked is not None and asked != there:
            raise TeacherRefused("shape_differs", f"{field}: {asked} is told, the file's header says {there}")
    normalisation = Normalisation(mean=architecture.mean, std=architecture.std)
    _agree(normalisation, told, architecture.model.channels)
    network = _filled(architecture, _read(path, list(found)))
    return ImportedTeacher(network, OURS, normalisation, sized_blocks(architecture, {}))


def _read(path: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """Single precision, all of it finite."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise TeacherRefused("not_safetensors", f"it cannot be read: {error}") from error
    single = {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }
    for name, tensor in single.items():
        count = int((~tensor.isfinite()).sum())
        if count:
            raise TeacherRefused(
                "not_finite",
                f"{count:,} of {tensor.numel():,} numbers of the tensor {shown(name)!r} are infinite, not a "
                "number, or too large for single precision",
            )
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise TeacherRefused(
                "not_finite", f"the tensor {shown(name)!r} holds a negative variance, which has no root"
            )
    return single


def _filled(architecture: Architecture, tensors: Mapping[str, Tensor]) -> Network:
    """The network; counts of batches that a file does not have are 0, as no number depends on them."""
    network = uninitialised(architecture)
    counts = {
        name: torch.zeros_like(tensor)
        for name, tensor in network.state_dict().items()
        if not tensor.is_floating_point()
    }
    own = {name: tensor for name, tensor in network.state_dict().items() if name.startswith("normalize.")}
    network.load_state_dict({**own, **counts, **tensors})
    return network.eval()


def _normalisation(
    there: Recognised, tensors: Mapping[str, Tensor], told: NewTeacher
) -> AsIs | Normalisation:
    """The file's, else the one that is told."""
    channels = there.model.channels
    means = [_per_channel(tensors[name], name, channels) for name in there.means]
    deviations = [_per_channel(tensors[name], name, channels) for name in there.deviations]
    if bool(means) != bool(deviations):
        there_is = shown((*there.means, *there.deviations)[0])
        raise TeacherRefused(
            "normalisation_needed", f"the file holds {there_is!r}, but not both a mean and a deviation: {HOW}"
        )
    if not means:
        if told.normalisation is None:
            raise TeacherRefused(
                "normalisation_needed",
                f"the layout is {there.row.name}; the file does not tell its normalisation: {HOW}",
            )
        _numbers(told.normalisation, channels)
        return told.normalisation
    if any(values != means[0] for values in means) or any(values != deviations[0] for values in deviations):
        raise TeacherRefused("normalisation_needed", "the file holds several normalisations that differ")
    _require_unit_range(there, means[0], deviations[0])
    normalisation = Normalisation(mean=means[0], std=deviations[0])
    _agree(normalisation, told, channels)
    return normalisation


HOW = (
    'give normalisation as {"mean": [..], "std": [..]} for images in [0, 1], or "none" where it takes them '
    "as they are"
)


def _per_channel(tensor: Tensor, name: str, channels: int) -> tuple[float, ...]:
    values = tuple(tensor.flatten().tolist())
    if len(values) not in (1, channels):
        raise TeacherRefused(
            "shape_differs", f"the tensor {shown(name)!r} has {len(values)} numbers, expected {channels}"
        )
    return values * (channels // len(values))


def _require_unit_range(there: Recognised, mean: Sequence[float], deviation: Sequence[float]) -> None:
    """Of images in [0, 1] no mean lies elsewhere, and no deviation above 1."""
    if all(0 <= value <= 1 for value in mean) and all(0 < value <= 1 for value in deviation):
        return
    raise TeacherRefused(
        "normalisation_needed",
        f"{shown(there.means[0])!r} and {shown(there.deviations[0])!r} of the file are not of images in "
        f"[0, 1]: mean {list(mean)}, std {list(deviation)}",
    )


def _numbers(
    normalisation: AsIs | Normalisation, channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if isinstance(normalisation, str):
        return (0.0,) * channels, (1.0,) * channels
    mean, deviation = normalisation.mean, normalisation.std
    fits = len(mean) == len(deviation) == channels
    if not fits or not all(map(isfinite, (*mean, *deviation))) or min(deviation) <= 0:
        raise TeacherRefused(
            "normalisation_needed",
            f"normalisation: mean {list(mean)}, std {list(deviation)}; allowed: {channels} finite numbers "
            "each, std above 0",
        )
    return mean, deviation


def _agree(there: Normalisation, told: NewTeacher, channels: int) -> None:
    """Where the file tells it and the owner, too, they must say the same."""
    if told.normalisation is None:
        return
    mean, deviation = _numbers(told.normalisation, channels)
    pairs = zip((*mean, *deviation), (*there.mean, *there.std), strict=True)
    if any(abs(asked - found) > SAME for asked, found in pairs):
        raise TeacherRefused(
            "normalisation_needed",
            f"normalisation: mean {list(mean)}, std {list(deviation)} is told, the file says "
            f"mean {list(there.mean)}, std {list(there.std)}: leave it out, or give the file's",
        )
