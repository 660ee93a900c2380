"""Which network of the catalog a file holds, by the names and shapes of its tensors; torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cartl_core.catalog.architectures.layers import StoredTensor
from cartl_core.catalog.layouts.file_layout import FileLayout, Shapes
from cartl_core.catalog.layouts.prefixes import Stripped, strip
from cartl_core.catalog.layouts.refused import TeacherRefused
from cartl_core.catalog.layouts.table import LAYOUT_NAMES, rows_named
from cartl_core.catalog.network_tensors import FoundTensor
from cartl_core.catalog.networks import layout_of
from cartl_core.errors import SpecError
from cartl_core.spec.architecture import MOST_CLASSES, Architecture
from cartl_core.spec.data_and_model import ModelSpec
from cartl_core.spec.resources.teacher import ToldArchitecture
from cartl_core.strict_json import shown

ENOUGH = 0.5
"""Share of a file's names that must be those of a layout."""

FLOATS = {"F64", "F32", "F16", "BF16"}
COUNTS = "num_batches_tracked"
"""Batches that a batch norm has seen: older files do not have it, and nothing is computed with it."""


@dataclass(frozen=True)
class Recognised:
    """``tensors``: names in the file by our names of the network's tensors."""

    row: FileLayout
    model: ModelSpec
    classes: int
    tensors: Mapping[str, str]
    prefix: str
    means: tuple[str, ...]
    deviations: tuple[str, ...]


def recognise(
    found: Mapping[str, FoundTensor],
    *,
    layout: str = "auto",
    architecture: ToldArchitecture | None = None,
    classes: int | None = None,
) -> Recognised:
    """The network of ours that a file with these tensors holds.

    Args:
        layout: a name of ``LAYOUTS``, the beginning of several, or ``auto``.
        architecture: what the file does not tell; what is null is read off the file, or the layout's own.
        classes: how many outputs it is said to have.

    Raises:
        TeacherRefused: with the reason, and the tensor's name where one is to blame.
    """
    stripped = strip(found)
    shapes = {name: found[there].shape for name, there in stripped.tensors.items()}
    row, name = _row_and_size(shapes, layout, architecture)
    kept = {inner: there for inner, there in stripped.tensors.items() if not row.is_copy(inner)}
    stripped = Stripped(stripped.prefix, kept, stripped.means, stripped.deviations)
    model = _model(row, name, shapes, architecture)
    outputs = classes or _outputs(row, shapes)
    tensors = _matched(row, model, outputs, stripped, found)
    return Recognised(row, model, outputs, tensors, stripped.prefix, stripped.means, stripped.deviations)


def _row_and_size(
    shapes: Shapes, layout: str, architecture: ToldArchitecture | None
) -> tuple[FileLayout, str]:
    rows = _likeliest(shapes, layout)
    if architecture is not None:
        for row in rows:
            if (name := row.network(architecture.name)) is not None:
                return row, name
        raise TeacherRefused(
            "layout_unknown",
            f"architecture.name: {shown(architecture.name)!r} does not come in the layout {rows[0].name}",
        )
    for row in rows:
        if (name := row.size(shapes)) is not None:
            return row, name
    row = rows[0]
    if row.choose is not None:
        raise TeacherRefused(
            "layout_ambiguous", f"the layout is {row.name}, which does not tell {row.choose}"
        )
    raise TeacherRefused(
        "layout_unknown",
        f"the names are those of the layout {row.name}, but the catalog has no network of this size",
    )


def _likeliest(shapes: Shapes, layout: str) -> list[FileLayout]:
    """The rows that know most of the names; those that know equally many, in the table's order."""
    rows = rows_named(layout)
    if not rows:
        raise TeacherRefused("layout_unknown", f"layout: allowed is auto or one of {', '.join(LAYOUT_NAMES)}")
    known = {row.name: sum(map(row.knows, shapes)) for row in rows}
    most = max(known.values())
    if not shapes or most < ENOUGH * len(shapes):
        first = next(iter(shapes), None)
        named = f"its first tensor is {shown(first)!r}" if first is not None else "it holds no tensors"
        raise TeacherRefused(
            "layout_unknown",
            f"the names of its tensors are not those of "
            f"{'a known layout' if layout == 'auto' else shown(layout)}; {named}. "
            f"Known are {', '.join(LAYOUT_NAMES)}",
        )
    return [row for row in rows if known[row.name] == most]


def _model(row: FileLayout, name: str, shapes: Shapes, told: ToldArchitecture | None) -> ModelSpec:
    stem = shapes.get(row.stem, ())
    channels = stem[1] if len(stem) > 1 and stem[1] in (1, 3) else 3
    if told is not None and told.channels not in (None, channels):
        raise TeacherRefused(
            "shape_differs",
            f"architecture.channels: {told.channels} is told, the tensor {row.stem!r} is {list(stem)}",
        )
    side = (told.image_size if told is not None else None) or row.image_size(shapes)
    stride = (told.stem_stride if told is not None else None) or 1
    try:
        return ModelSpec.model_validate(
            {
                "image_size": side,
                "stem_stride": stride,
                "name": name,
                "channels": channels,
            }
        )
    except ValueError as error:
        raise TeacherRefused(
            "layout_unknown", f"the network takes images of {side} pixels, which is not supported"
        ) from error


def _outputs(row: FileLayout, shapes: Shapes) -> int:
    weight = shapes.get(f"{row.renaming.head}.weight", ())
    bias = shapes.get(f"{row.renaming.head}.bias", ())
    outputs = weight[0] if len(weight) == 2 else bias[0] if bias else 1
    return min(max(outputs, 1), MOST_CLASSES)


def _matched(
    row: FileLayout, model: ModelSpec, classes: int, stripped: Stripped, found: Mapping[str, FoundTensor]
) -> dict[str, str]:
    """Names in the file by ours, each tensor compared."""
    expected = {tensor.name: tensor for tensor in expected_tensors(model, classes)}
    theirs = row.to_theirs(expected)
    missing = [
        name
        for ours, name in theirs.items()
        if name not in stripped.tensors and not ours.endswith(f".{COUNTS}")
    ]
    known = set(theirs.values())
    unknown = [there for name, there in stripped.tensors.items() if name not in known]
    if missing or unknown:
        raise differing(
            f"a {model.name} in the layout {row.name}", [stripped.prefix + name for name in missing], unknown
        )
    tensors = {ours: stripped.tensors[name] for ours, name in theirs.items() if name in stripped.tensors}
    for ours, there in tensors.items():
        compare(there, found[there], expected[ours])
    return tensors


def match_ours(architecture: Architecture, found: Mapping[str, FoundTensor]) -> None:
    """Whether a file of our own layout holds the network that its header describes.

    Raises:
        TeacherRefused: it does not; the first tensors that differ are named.
    """
    try:
        layout = layout_of(architecture.model, architecture.classes)
    except SpecError as error:
        raise TeacherRefused("layout_unknown", str(error)) from error
    expected = {tensor.name: tensor for tensor in layout.tensors(architecture)}
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    if missing or unknown:
        raise differing(f"the {architecture.model.name} that its header describes", missing, unknown)
    for name, tensor in expected.items():
        compare(name, found[name], tensor)


def expected_tensors(model: ModelSpec, classes: int) -> list[StoredTensor]:
    """The tensors of a network of ours, its normalisation apart.

    Raises:
        TeacherRefused: the network takes no such input.
    """
    anything = (0.0,) * model.channels
    arch = Architecture(model=model, classes=classes, mean=anything, std=anything)
    try:
        return [
            tensor
            for tensor in layout_of(model, classes).tensors(arch)
            if not tensor.name.startswith("normalize.")
        ]
    except SpecError as error:
        raise TeacherRefused("layout_unknown", str(error)) from error


def differing(what: str, missing: list[str], unknown: list[str]) -> TeacherRefused:
    """The first that is missing and the first that is unknown, together: a prefix shows."""
    lacks = f"it lacks the tensor {missing[0]!r}" if missing else None
    has = f"the tensor {shown(unknown[0])!r} is unknown" if unknown else None
    return TeacherRefused(
        "tensor_missing" if missing else "tensor_unknown",
        f"as {what}: {'; '.join(filter(None, (lacks, has)))}",
    )


def compare(name: str, tensor: FoundTensor, expected: StoredTensor) -> None:
    """Raise ``TeacherRefused`` where type or shape differ."""
    same_kind = tensor.dtype in FLOATS if expected.dtype == "F32" else tensor.dtype == expected.dtype
    if not same_kind or tensor.shape != expected.shape:
        raise TeacherRefused(
            "shape_differs",
            f"the tensor {shown(name)!r} is {tensor.dtype} {list(tensor.shape)}, "
            f"expected {expected.dtype} {list(expected.shape)}",
        )
