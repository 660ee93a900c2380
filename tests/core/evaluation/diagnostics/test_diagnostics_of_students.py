"""The curve and the corruptions as diagnostics: resumed, alike in any batches, counted in the worst case."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any

import pytest
import torch

from cartl_core.analysis.build_report import build_report
from cartl_core.analysis.curves import robustness_curve
from cartl_core.analysis.metrics import AttackRecord, MinimalRadii, TestSet, figures, worst_case
from cartl_core.analysis.results import AttackOutcomes, DiagnosticResult, StudentResult, ValidationSet
from cartl_core.analysis.run_state import RunState
from cartl_core.catalog.ensembles import ENSEMBLES
from cartl_core.errors import Interrupted
from cartl_core.evaluation.diagnostic_stage import read_rows, read_value, run_diagnostic
from cartl_core.evaluation.diagnostics.robustness_curve import radii_of
from cartl_core.nn.build import build_network
from cartl_core.nn.files import save_network
from cartl_core.nn.rng import generator
from cartl_core.planning.make_plan import plan_transfer
from cartl_core.planning.plan import DataCounts
from cartl_core.report.curves import CorruptionResults, RobustnessCurve
from cartl_core.spec import AttackSpec, Runtime
from cartl_core.spec.measures.corruptions import CorruptionsSpec
from cartl_core.spec.measures.curve import CurveSpec
from cartl_core.spec.measures.diagnostics import DiagnosticSpec
from cartl_core.storage.stage_result import NETWORK
from tests.fixtures.reports import HERE

CURVE = CurveSpec(eps=(0.02, 0.1, 0.4, 1.0), expected_to=0.4, steps=4, step_of_eps=0.5, refine=1)
CORRUPTIONS = CorruptionsSpec(names=("gaussian_noise", "jpeg"), severities=(1, 5))


@pytest.fixture
def network(tiny: Any, tmp_path: Path) -> Path:
    ctx = tmp_path / "network"
    save_network(ctx / NETWORK, build_network(tiny, 4, (0.3,), (0.4,), generator(0, "network")))
    return ctx


def run(network: Path, asked: DiagnosticSpec, images: Any, workspace: Any, size: int = 6, **how: Any) -> Any:
    name = "curve" if isinstance(asked, CurveSpec) else "corruptions"
    run_diagnostic(
        name,
        asked,
        network,
        images,
        freeze_depth=1,
        others={},
        seed=0,
        batch_size=size,
        ctx=workspace.context(**how),
    )
    return read_value(name, workspace.directory)


def test_a_curve_of_a_stored_network(network: Path, task: Any, workspace: Any) -> None:
    images, here = task().test, workspace("here")
    curve = run(network, CURVE, images, here)
    assert isinstance(curve, RobustnessCurve)
    assert curve.n == 20
    rows = read_rows(here.directory)
    assert rows["radius"].dtype == torch.float64
    assert torch.equal(rows["index"], images.index)
    for point in curve.points:
        assert point.robust.successes == int((rows["radius"] > point.eps).sum())
    assert curve.expected_robustness.value == pytest.approx(
        float((rows["radius"] / 0.4).clamp(max=1).mean()), abs=1e-9
    )


def test_corruptions_of_a_stored_network(network: Path, task: Any, workspace: Any) -> None:
    here = workspace("here")
    found = run(network, CORRUPTIONS, task().test, here)
    assert isinstance(found, CorruptionResults)
    rows = read_rows(here.directory)
    assert [(result.name, result.severity) for result in found.results] == list(CORRUPTIONS.columns)
    for result in found.results:
        robust = rows[f"{result.name}.{result.severity}"]
        assert result.accuracy.successes == int(robust.sum())
        assert result.accuracy.n == 20
    shares = [result.accuracy.value for result in found.results]
    assert found.mean.value == pytest.approx(sum(shares) / 4)
    assert found.mean.low <= found.mean.value <= found.mean.high


@pytest.mark.parametrize("asked", [CURVE, CORRUPTIONS], ids=["curve", "corruptions"])
def test_batches_and_interruptions_change_nothing(
    network: Path, task: Any, workspace: Any, asked: DiagnosticSpec
) -> None:
    whole = run(network, asked, task().test, workspace("whole"), 20)
    pieces = workspace("pieces")
    for _ in range(2):
        with pytest.raises(Interrupted):
            run(network, asked, task().test, pieces, stop_after=2)
    assert run(network, asked, task().test, pieces) == whole


def test_radii_are_laid_beside_the_test_images() -> None:
    rows = {"index": torch.tensor([7, 3]), "radius": torch.tensor([0.5, inf], dtype=torch.float64)}
    assert radii_of(rows, torch.tensor([3, 5, 7])) == (inf, None, 0.5)


def attack(eps: float, norm: str = "linf") -> AttackSpec:
    settings = {"label": f"{norm}-{eps}", "norm": norm, "eps": eps, "step": 0.01, "steps": 1}
    return AttackSpec.model_validate(settings)


CLEAN = (True, True, True, True, False)
ALL_HELD = (True, True, True, True, False)
MINIMAL_RADII = MinimalRadii("linf", (0.1, 0.2, None, inf, 0.0))


def test_what_fell_on_the_curve_within_the_radius_has_fallen() -> None:
    def at(eps: float) -> tuple[bool, ...]:
        return worst_case(CLEAN, [AttackRecord(attack(eps), ALL_HELD, 1.0)], [MINIMAL_RADII])

    assert at(0.05) == (True, True, True, True, False)
    assert at(0.1) == (False, True, True, True, False)
    assert at(0.2) == (False, False, True, True, False)


def test_the_largest_radius_of_the_curves_norm_counts() -> None:
    several = [AttackRecord(attack(0.05), ALL_HELD, 1.0), AttackRecord(attack(0.1), ALL_HELD, 1.0)]
    other = AttackRecord(attack(5.0, "l2"), ALL_HELD, 1.0)
    assert worst_case(CLEAN, [*several, other], [MINIMAL_RADII]) == (False, True, True, True, False)
    assert worst_case(CLEAN, [other], [MINIMAL_RADII]) == ALL_HELD, "a linf curve says nothing of an l2 ball"
    assert worst_case(CLEAN, [], [MINIMAL_RADII]) == CLEAN


def test_figures_count_it_in_the_headline_and_in_each_class() -> None:
    test = TestSet("data", "f" * 64, (0, 0, 1, 1, 1), ("zero", "one"))
    robust = [AttackRecord(attack(0.1), ALL_HELD, 1.0)]
    without, counted = figures(test, CLEAN, robust, 0), figures(test, CLEAN, robust, 0, [MINIMAL_RADII])
    assert without.worst_case is not None
    assert counted.worst_case is not None
    assert (without.worst_case.successes, counted.worst_case.successes) == (4, 3)
    assert counted.attacks[0].robust.successes == 4, "an attack's own figure stays its own"
    assert [row.worst_case.successes for row in counted.per_class] == [1, 2]


def test_autoattacks_figure_is_that_of_its_four_alone() -> None:
    test = TestSet("data", "f" * 64, (0, 0, 1, 1, 1), ("zero", "one"))
    four = ENSEMBLES["autoattack"].expand("linf", 0.1, classes=10)
    robust = [AttackRecord(one, ALL_HELD, 1.0) for one in four]
    robust[1] = AttackRecord(four[1], (True, True, False, True, False), 1.0)
    other = AttackRecord(attack(0.1), (True, True, True, False, False), 1.0)
    found = figures(test, CLEAN, [other, *robust], 0, [MINIMAL_RADII])
    assert found.worst_case is not None
    assert found.autoattack is not None
    assert (found.autoattack.successes, found.autoattack.n) == (3, 5)
    assert found.worst_case.successes == 1
    assert figures(test, CLEAN, [other, *robust[:3]], 0).autoattack is None
    elsewhere = AttackRecord(four[3].model_copy(update={"eps": 0.2}), ALL_HELD, 1.0)
    assert figures(test, CLEAN, [*robust[:3], elsewhere], 0).autoattack is None, "not in one ball"
    weaker = AttackRecord(four[3].model_copy(update={"steps": 4999}), ALL_HELD, 1.0)
    assert figures(test, CLEAN, [*robust[:3], weaker], 0).autoattack is None


def test_students_are_compared_by_curves_that_both_have(job: Any, runtime: Runtime) -> None:
    spec = job(baselines=["vanilla"])
    data = DataCounts("f", 100, 5)
    plan = plan_transfer(spec, source=data, target=data, runtime=runtime)
    test = TestSet("data", "f", (0, 1, 2, 3, 4), tuple("abcde"))
    state = RunState(runtime, test, test)
    trained = StudentResult(
        selected_epoch=1,
        epochs=1,
        history=({"clean_accuracy": 0.5, "robust_accuracy": 0.2},),
        validated=ValidationSet(images=10, attacked=10, attack=spec.evaluate.attacks[0]),
        norms={},
    )
    for student in plan.students:
        state.record(student.stage.key, trained, seconds=1.0, origin=HERE)
        for measurement in student.measurements:
            state.record(measurement.key, AttackOutcomes((True,) * 5, 1.0), seconds=1.0, origin=HERE)
    curves = [
        next(stage for stage in student.diagnostics if stage.work.name == "curve")
        for student in plan.students
    ]

    def fell(which: int, *radii: float | None) -> None:
        found = robustness_curve([radius for radius in radii if radius is not None], spec.evaluate.curve, 0)
        result = DiagnosticResult(found, MinimalRadii("linf", radii))
        state.record(curves[which].key, result, seconds=1.0, origin=HERE)

    def robust() -> tuple[int, int]:
        comparison = build_report(plan, state, complete=False).baselines[0].comparisons[0]
        assert comparison.what == "worst_case"
        return comparison.only_job, comparison.only_baseline

    assert robust() == (0, 0)
    eps = spec.evaluate.attacks[0].eps
    fell(0, eps, eps, inf, None, inf)
    assert robust() == (0, 0), "the baseline has no curve yet"
    fell(1, inf, eps, eps, None, 2 * eps)
    assert robust() == (1, 1)
