"""Source and target of a job, and the network that fits both."""

from __future__ import annotations

from typing import Any

from cartl_core.catalog import (
    DATASETS,
    KNOWN_MODELS,
    PAPER_MODELS,
    DatasetFacts,
    PresetFacts,
    facts_of,
    model_facts,
)
from cartl_core.catalog.data_facts import is_brought, is_same_data, with_classes
from cartl_core.errors import SpecError
from cartl_core.planning.lookup import Lookup
from cartl_core.spec import DataRequest, DataSpec, JobRequest, ModelSpec

MIN_CLASSES = 2
STEM_STRIDES = (1, 2, 4)
LOOKED_UP = frozenset({"name", "id", "fingerprint", "facts"})


def resolve_pair(
    request: JobRequest, preset: PresetFacts, lookup: Lookup
) -> tuple[DataSpec | None, DataSpec]:
    """(source, target), with the preset's limits where the request says nothing.

    There is no source where a teacher is given that learns no further.

    Raises:
        SpecError: a data set is not known, a class is not there or named twice, or source and target share
            classes.
    """
    target = _data(request.dataset, "dataset", preset.target_train_limit, lookup)
    if request.teacher is not None and request.teacher.fdm_epochs is None:
        if request.source is not None:
            raise SpecError(
                "source",
                "the teacher is given (`teacher`) and learns no further, so there is no source",
                allowed="leave it out, or ask for `fdm_epochs` of the teacher",
            )
        return None, target
    asked = request.source or _default_source(target, request.dataset)
    source = _data(asked, "source", preset.train_limit, lookup)
    _refuse_shared_classes(source, target)
    return source, target


def resolve_target(data: DataRequest, lookup: Lookup) -> DataSpec:
    """The data set that a network is measured on, where nothing is trained.

    Raises:
        SpecError: it is not known, or a class is not there or named twice.
    """
    return _data(data, "dataset", None, lookup)


def resolve_model(
    asked: ModelSpec | None, source: DataSpec, target: DataSpec, preset: PresetFacts
) -> ModelSpec:
    """The network: its input takes the source's size, and colour when either side has it.

    Where the target was brought by a person, its input takes the target's own size.
    """
    source_facts, target_facts = facts_of(source), facts_of(target)
    sized = target_facts if is_brought(target) else source_facts
    chosen = asked.model_dump(exclude_unset=True) if asked else {}
    image_size = chosen.get("image_size", sized.image_size)
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


def _data(asked: DataRequest, field: str, train_limit: int | None, lookup: Lookup) -> DataSpec:
    data = _found(asked, field, lookup)
    if data.classes is not None:
        _check_classes(data.classes, facts_of(data), field)
    if "train_limit" in asked.model_fields_set:
        return data
    return data.model_copy(update={"train_limit": train_limit})


def _found(asked: DataRequest, field: str, lookup: Lookup) -> DataSpec:
    """The catalog's of that name, or one that a person brought."""
    settings = {name: getattr(asked, name) for name in asked.model_fields_set - LOOKED_UP}
    if asked.id is None and asked.name in DATASETS:
        if asked.fingerprint is not None or asked.facts is not None:
            raise SpecError(f"{field}.name", f"{asked.name} is of the catalog", allowed="its name alone")
        return DataSpec(name=asked.name, **settings)
    known = lookup.dataset(asked, field)
    if asked.id is not None and asked.name not in (None, known.name):
        raise SpecError(
            f"{field}.name", f"the data set of this id is called {known.name}", allowed="one of the two"
        )
    if asked.fingerprint not in (None, known.fingerprint):
        raise SpecError(
            f"{field}.fingerprint",
            f"data set {known.name} has another: {known.fingerprint or 'none, it is in memory'}",
            allowed="the one that it has, or leave it out",
        )
    if known.fingerprint is not None:
        settings = {"resize": "fit_crop", **settings}
    return DataSpec(
        name=known.name, id=known.id, fingerprint=known.fingerprint, facts=known.facts, **settings
    )


def _check_classes(classes: tuple[int, ...], facts: DatasetFacts, field: str) -> None:
    highest = len(facts.classes) - 1
    if len(set(classes)) != len(classes):
        raise SpecError(f"{field}.classes", "a class is named twice", allowed="distinct labels")
    if max(classes) > highest:
        raise SpecError(
            f"{field}.classes", f"{facts.name} has no class {max(classes)}", allowed=f"0 to {highest}"
        )


def _default_source(target: DataSpec, asked: DataRequest) -> DataRequest:
    """The other classes of the same data set when there are enough of them, else the catalog's pair."""
    facts = facts_of(target)
    if asked.classes is not None:
        others = tuple(label for label in range(len(facts.classes)) if label not in asked.classes)
        if len(others) >= MIN_CLASSES:
            return with_classes(target, others)
    return DataRequest(name=facts.default_source)


def _refuse_shared_classes(source: DataSpec, target: DataSpec) -> None:
    if not is_same_data(source, target):
        return
    labels = range(len(facts_of(source).classes))
    shared = set(source.classes or labels) & set(target.classes or labels)
    if shared:
        raise SpecError(
            "source",
            f"source and target are both {source.name} and share the classes {sorted(shared)}",
            allowed="disjoint classes, or another data set",
        )
