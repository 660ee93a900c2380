"""Source and target of a job, and the network that fits both."""

from __future__ import annotations

from typing import Any

from cartl_core.catalog import KNOWN_MODELS, PAPER_MODELS, DatasetFacts, PresetFacts, facts_of, model_facts
from cartl_core.catalog.data_facts import with_classes
from cartl_core.errors import SpecError
from cartl_core.spec import DataSpec, JobRequest, ModelSpec

MIN_CLASSES = 2
STEM_STRIDES = (1, 2, 4)


def resolve_pair(request: JobRequest, preset: PresetFacts) -> tuple[DataSpec, DataSpec]:
    """(source, target), with the preset's limits where the request says nothing.

    Raises:
        SpecError: a class is not there or named twice, or source and target share classes.
    """
    target = _data(request.dataset, "dataset", preset.target_train_limit)
    source = _data(request.source or _default_source(target, request.dataset), "source", preset.train_limit)
    _refuse_shared_classes(source, target)
    return source, target


def resolve_target(data: DataSpec) -> DataSpec:
    """The data set that a network is measured on, where nothing is trained.

    Raises:
        SpecError: a class is not there or named twice.
    """
    return _data(data, "dataset", None)


def resolve_model(
    asked: ModelSpec | None, source: DataSpec, target: DataSpec, preset: PresetFacts
) -> ModelSpec:
    """The network: its input takes the source's size, and colour when either side has it."""
    source_facts, target_facts = facts_of(source), facts_of(target)
    chosen = asked.model_dump(exclude_unset=True) if asked else {}
    image_size = chosen.get("image_size", source_facts.image_size)
    defaults: dict[str, Any] = {
        "name": preset.model or PAPER_MODELS.get(source.name, "wrn-28-4"),
        "stem_stride": stem_stride(image_size, preset.stem_side),
        "image_size": image_size,
        "channels": max(source_facts.channels, target_facts.channels),
    }
    model = ModelSpec(**{**defaults, **chosen})
    if model_facts(model.name).published:
        raise SpecError(
            "model.name",
            f"{model.name} is not trained here: it comes in as a teacher",
            allowed=f"{', '.join(KNOWN_MODELS)}, or a teacher",
        )
    if model.channels < defaults["channels"]:
        raise SpecError("model.channels", "source or target has colour images", allowed="3")
    return model


def stem_stride(image_size: int, side: int) -> int:
    """The largest stride of the stem that leaves ``side`` pixels or more of ``image_size``; at least 1."""
    return max(stride for stride in STEM_STRIDES if stride == 1 or image_size >= stride * side)


def _data(data: DataSpec, field: str, train_limit: int | None) -> DataSpec:
    facts = facts_of(data)
    if data.classes is not None:
        _check_classes(data.classes, facts, field)
    if "train_limit" in data.model_fields_set:
        return data
    return data.model_copy(update={"train_limit": train_limit})


def _check_classes(classes: tuple[int, ...], facts: DatasetFacts, field: str) -> None:
    highest = len(facts.classes) - 1
    if len(set(classes)) != len(classes):
        raise SpecError(f"{field}.classes", "a class is named twice", allowed="distinct labels")
    if max(classes) > highest:
        raise SpecError(
            f"{field}.classes", f"{facts.name} has no class {max(classes)}", allowed=f"0 to {highest}"
        )


def _default_source(target: DataSpec, asked: DataSpec) -> DataSpec:
    """The other classes of the same data set when there are enough of them, else the catalog's pair."""
    facts = facts_of(target)
    if asked.classes is not None:
        others = tuple(label for label in range(len(facts.classes)) if label not in asked.classes)
        if len(others) >= MIN_CLASSES:
            return with_classes(target, others)
    return DataSpec(name=facts.default_source)


def _refuse_shared_classes(source: DataSpec, target: DataSpec) -> None:
    if source.name != target.name:
        return
    labels = range(len(facts_of(source).classes))
    shared = set(source.classes or labels) & set(target.classes or labels)
    if shared:
        raise SpecError(
            "source",
            f"source and target are both {source.name} and share the classes {sorted(shared)}",
            allowed="disjoint classes, or another data set",
        )
