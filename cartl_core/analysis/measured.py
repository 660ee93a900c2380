"""What was measured of one network on one test set, as the report has it."""

from __future__ import annotations

from cartl_core.analysis.checks import judge
from cartl_core.analysis.metrics import MinimalRadii, TestSet, figures, not_finite
from cartl_core.analysis.run_state import Measurements, RunState
from cartl_core.planning.plan import NetworkPlan
from cartl_core.report import Figures
from cartl_core.report.checks import Check

CHECKS = "checks"


def figures_of(network: NetworkPlan, test: TestSet, seed: int, state: RunState) -> Figures | None:
    """All that was measured of a network on the test images of a target."""
    found = measured_figures(
        network.measurements,
        test,
        seed,
        state,
        minimal_radii=tuple(state.minimal_radii(network).values()),
    )
    values = {name: result.value for name, result in state.diagnostics(network).items()}
    return found.model_copy(update=values) if found else None


def measured_figures(
    measurements: Measurements,
    test: TestSet,
    seed: int,
    state: RunState,
    minimal_radii: tuple[MinimalRadii, ...] = (),
) -> Figures | None:
    """Accuracy with and without attacks; None before it was measured."""
    outputs, attacks = state.outputs(measurements), state.attacks(measurements)
    if outputs is None:
        return None
    return figures(
        test,
        outputs.right,
        attacks,
        seed,
        minimal_radii=minimal_radii,
        not_finite=not_finite(outputs, attacks),
    )


def checks_of(network: NetworkPlan, state: RunState) -> tuple[Check, ...]:
    """What to think of the figures, once all of them are there."""
    attacks, found = state.attacks(network.measurements), state.diagnostics(network)
    asked = any(stage.work.name == CHECKS for stage in network.diagnostics)
    if len(attacks) < len(network.measurements) - 1 or (asked and CHECKS not in found):
        return ()
    observations = found[CHECKS].observations if asked else None
    return judge(observations, attacks, state.outputs(network.measurements))
