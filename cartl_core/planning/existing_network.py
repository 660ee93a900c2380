"""From a request to measure a network, and what its file says of it, to what will run."""

from __future__ import annotations

from typing import Any

from cartl_core.catalog import PRESETS, facts_of
from cartl_core.catalog.network_file import NetworkFile
from cartl_core.errors import SpecError
from cartl_core.planning.data_and_model import resolve_target
from cartl_core.planning.evaluation import resolve_evaluation
from cartl_core.planning.network_families import without_audit
from cartl_core.planning.radii import check_radii
from cartl_core.planning.several_datasets import on_each
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec

OF_TEACHERS: dict[str, Any] = {"source_attacks": (), "source_test_limit": None}


def resolve_existing_network(
    request: EvaluateJobRequest, found: NetworkFile, default_preset: str = "quick"
) -> EvaluateJobSpec:
    """Fill in everything that ``request`` leaves open.

    Args:
        request: what a person wrote.
        found: the file that its ``network`` names.
        default_preset: where the request names none.

    Raises:
        SpecError: the file is another one than was asked for, it does not fit the data set, or a value is
            out of range.
    """
    if request.datasets:
        return on_each(request, lambda one: resolve_existing_network(one, found, default_preset))
    assert request.dataset is not None
    preset = PRESETS[request.preset or default_preset]
    target = resolve_target(request.dataset)
    architecture = found.architecture
    _same("network.sha256", request.network.sha256, found.sha256)
    _same("model", request.model, architecture.model)
    facts = facts_of(target)
    classes = len(target.classes or facts.classes)
    if classes != architecture.classes:
        raise SpecError(
            "dataset.classes",
            f"{classes} classes, but the network tells {architecture.classes} apart",
            allowed=f"{architecture.classes} classes, in the order of its outputs",
        )
    if facts.channels > architecture.model.channels:
        raise SpecError("dataset", f"{target.name} has colour images, the network takes one channel")
    for field, off in OF_TEACHERS.items():
        written = getattr(request.evaluate, field, None)
        if written is not None and written != off:
            raise SpecError(f"evaluate.{field}", "an evaluation has no teacher", allowed="leave it out")
    evaluate = resolve_evaluation(request.evaluate, target, target, preset)
    check_radii(evaluate, architecture.model)
    evaluate = without_audit(evaluate, request.evaluate, architecture.model.name)
    return EvaluateJobSpec(
        name=request.name,
        tags=request.tags,
        preset=preset.name,
        dataset=target,
        network=request.network.model_copy(update={"sha256": found.sha256}),
        model=architecture.model,
        evaluate=evaluate.model_copy(update=OF_TEACHERS),
        device=request.device,
        precision=request.precision,
        seed=request.seed,
    )


def _same(field: str, asked: object, found: object) -> None:
    if asked is not None and asked != found:
        raise SpecError(field, "the network's file has another", allowed=str(found))
