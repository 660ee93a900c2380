"""A request to measure a network on several data sets: each is resolved as if it were the only one."""

from __future__ import annotations

from collections.abc import Callable

from cartl_core.errors import SpecError
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec, FurtherTest


def on_each(
    request: EvaluateJobRequest, resolve_one: Callable[[EvaluateJobRequest], EvaluateJobSpec]
) -> EvaluateJobSpec:
    """The specification of the first data set, with the others as ``further``.

    So stages of each have the digests of a job on it alone.

    Args:
        resolve_one: resolves a request with one data set.

    Raises:
        SpecError: a data set does not fit the network, or is named twice; the field is that of ``datasets``.
    """
    specs: list[EvaluateJobSpec] = []
    for place, dataset in enumerate(request.datasets):
        alone: dict[str, object] = {"dataset": dataset, "datasets": ()}
        if place:
            alone["accept"] = None  # criteria are about the first one
        try:
            spec = resolve_one(request.model_copy(update=alone))
        except SpecError as error:
            head, dot, rest = error.field.partition(".")
            field = f"datasets.{place}{dot}{rest}" if head == "dataset" else error.field
            raise SpecError(field, error.message, allowed=error.allowed) from error
        if spec.dataset in [other.dataset for other in specs]:
            raise SpecError(
                f"datasets.{place}", "it is the same as an earlier one", allowed="distinct data sets"
            )
        specs.append(spec)
    first, *others = specs
    further = tuple(FurtherTest(dataset=other.dataset, evaluate=other.evaluate) for other in others)
    return first.model_copy(update={"further": further})
