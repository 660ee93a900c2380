"""From a request to measure a network, and what its file says of it, to what will run."""

from __future__ import annotations

from cartl_core.catalog import PRESETS, facts_of
from cartl_core.catalog.network_file import NetworkFile
from cartl_core.errors import SpecError
from cartl_core.planning.acceptance import check_acceptance
from cartl_core.planning.data_and_model import resolve_target
from cartl_core.planning.evaluation import resolve_evaluation
from cartl_core.planning.lookup import CATALOG_ALONE, Lookup
from cartl_core.planning.networks.network_families import without_audit
from cartl_core.planning.radii import check_radii
from cartl_core.planning.several_datasets import on_each
from cartl_core.spec import TeacherRequest
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec, NetworkRef
from cartl_core.spec.given_teacher import TeacherFacts


def resolve_existing_network(
    request: EvaluateJobRequest,
    found: NetworkFile,
    default_preset: str = "quick",
    lookup: Lookup = CATALOG_ALONE,
) -> EvaluateJobSpec:
    """Fill in everything that ``request`` leaves open.

    Args:
        request: what a person wrote.
        found: the file that its ``network`` names.
        default_preset: where the request names none.
        lookup: finds the data sets that people brought.

    Raises:
        SpecError: the file is another one than was asked for, it does not fit the data set, or a value is
            out of range.
    """
    if request.datasets:
        return on_each(request, lambda one: resolve_existing_network(one, found, default_preset, lookup))
    assert request.dataset is not None
    preset = PRESETS[request.preset or default_preset]
    target = resolve_target(request.dataset, lookup)
    architecture = found.architecture
    network = _looked_up(request.network, lookup)
    _same("network.sha256", network.sha256, found.sha256)
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
    evaluate = resolve_evaluation(request.evaluate, None, target, preset, architecture.model)
    check_radii(evaluate, architecture.model)
    check_acceptance(request.accept, evaluate)
    evaluate = without_audit(evaluate, request.evaluate, architecture.model.name)
    return EvaluateJobSpec(
        name=request.name,
        tags=request.tags,
        preset=preset.name,
        dataset=target,
        network=network.model_copy(update={"sha256": found.sha256}),
        model=architecture.model,
        evaluate=evaluate,
        accept=request.accept,
        device=request.device,
        precision=request.precision,
        seed=request.seed,
    )


def _looked_up(network: NetworkRef, lookup: Lookup) -> NetworkRef:
    """A teacher that was named stands in the specification by its id, with what is known of it."""
    if network.teacher is None:
        return network
    try:
        known = lookup.teacher(TeacherRequest(id=network.teacher))
    except SpecError as error:
        raise SpecError("network.teacher", error.message, allowed=error.allowed) from error
    facts = TeacherFacts(
        name=known.name,
        digest=known.digest,
        layout=known.layout,
        trained_at=known.trained_at,
        verification=known.verification,
        licence=known.licence,
    )
    return network.model_copy(update={"teacher": known.id, "facts": facts})


def _same(field: str, asked: object, found: object) -> None:
    if asked is not None and asked != found:
        raise SpecError(field, "the network's file has another", allowed=str(found))
