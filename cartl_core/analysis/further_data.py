"""An existing network on further data sets: each as a job on it alone would report it."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.analysis.measured import checks_of, figures_of
from cartl_core.analysis.outputs import on_further
from cartl_core.analysis.over_classes import few_test_images
from cartl_core.analysis.run_state import FurtherTestSet, RunState
from cartl_core.analysis.warnings import evaluation_warnings
from cartl_core.planning.plan import EvaluationPlan, ExistingNetworkPlan
from cartl_core.report import FurtherData, Notice
from cartl_core.spec.existing_network import FurtherTest


def further_data(plan: EvaluationPlan, state: RunState) -> tuple[FurtherData, ...]:
    """All data sets but the first, in the order of the specification, as far as they are measured."""
    return tuple(
        FurtherData(
            dataset=part.dataset,
            warnings=tuple(_warnings(part, network, plan, state)),
            figures=figures_of(network, state.further[network.role].test, plan.spec.seed, state),
            checks=checks_of(network, state),
        )
        for part, network in zip(plan.spec.further, plan.further, strict=True)
    )


def _warnings(
    part: FurtherTest, network: ExistingNetworkPlan, plan: EvaluationPlan, state: RunState
) -> Iterator[Notice]:
    found: FurtherTestSet = state.further[network.role]
    yield from on_further(network, found.test, state)
    yield from found.remarks
    yield from evaluation_warnings(plan.spec.model_copy(update={"dataset": part.dataset}))
    yield from few_test_images("target", found.test.labels, found.test.class_names)
