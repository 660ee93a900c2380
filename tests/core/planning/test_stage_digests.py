"""Digests: what changes a stage's numbers changes its digest, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from cartl_core.planning.make_plan import plan_transfer
from cartl_core.planning.plan import DataCounts, StudentPlan, TeacherPlan, TransferPlan
from cartl_core.planning.superseded import superseded
from cartl_core.spec import JobSpec, Runtime

SOURCE, TARGET = DataCounts("source", 1000, 100), DataCounts("target", 500, 100)


@pytest.fixture
def plan(runtime: Runtime) -> Any:
    def make(spec: JobSpec, **changes: Any) -> TransferPlan:
        asked: dict[str, Any] = {"source": SOURCE, "target": TARGET, "runtime": runtime}
        return plan_transfer(spec, **(asked | changes))

    return make


def teachers(plan: TransferPlan) -> dict[str, str]:
    return {teacher.stage.key.label: teacher.stage.digest for teacher in plan.teachers}


def students(plan: TransferPlan) -> dict[str, str]:
    return {student.stage.key.label: student.stage.digest for student in plan.students}


def measurements(plan: TransferPlan) -> dict[str, str]:
    networks: tuple[TeacherPlan | StudentPlan, ...] = (*plan.teachers, *plan.students)
    return {
        measurement.key.label: measurement.key.digest
        for network in networks
        for measurement in network.measurements
    }


def probings(plan: TransferPlan) -> dict[str, str]:
    return {
        probing.key.label: probing.key.digest for student in plan.students for probing in student.diagnostics
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "another", "tags": ["a", "b"]},
        {"evaluate": {"test_limit": 50, "batch_size": 32}},
        {"transfer": {"epochs": 7}},
        {"pretrain": {"attack": {"label": "renamed"}}},
    ],
)
def test_a_teacher_does_not_depend_on_what_comes_after(plan: Any, job: Any, changes: Any) -> None:
    assert teachers(plan(job(**changes))) == teachers(plan(job()))


def test_a_teacher_does_not_depend_on_the_target(plan: Any, job: Any) -> None:
    assert teachers(plan(job(), target=DataCounts("other", 9, 9))) == teachers(plan(job()))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"pretrain": {"epochs": 3}},
        {"pretrain": {"attack": {"eps": 0.2}}},
        {"pretrain": {"select": "best_clean"}},
        {"model": {"name": "tiny", "stem_stride": 1}},
    ],
)
def test_a_teacher_depends_on_all_that_makes_it(plan: Any, job: Any, changes: Any) -> None:
    before, after = teachers(plan(job())), teachers(plan(job(**changes)))
    assert all(after[label] != before[label] for label in before)


def test_a_teacher_depends_on_its_data_and_the_machine(plan: Any, job: Any, runtime: Runtime) -> None:
    before = teachers(plan(job()))
    assert before != teachers(plan(job(), source=DataCounts("other", 1000, 100)))
    for change in ({"threads": 2}, {"torch": "3"}, {"precision": "bf16"}):
        assert before != teachers(plan(job(), runtime=runtime.model_copy(update=change)))


def test_only_the_fdm_teacher_depends_on_the_freeze_depth(plan: Any, job: Any) -> None:
    two, three = teachers(plan(job())), teachers(plan(job(freeze_depth=3)))
    assert two["teacher (at)"] == three["teacher (at)"]
    assert two["teacher (fdm)"] != three["teacher (fdm)"]


def test_a_teacher_of_every_layer_serves_every_depth(plan: Any, job: Any) -> None:
    every = {"pretrain": {"fdm_layers": "every"}}
    one, two = plan(job(**every)), plan(job(freeze_depth=3, **every))
    assert teachers(one)["teacher (fdm)"] == teachers(two)["teacher (fdm)"]
    assert teachers(one)["teacher (fdm)"] != teachers(plan(job()))["teacher (fdm)"]
    assert one.teachers[0].freeze_depth is None
    deeper = {"method": "cartl", "freeze_depth": 3, **every}
    assert len(plan(job(baselines=[deeper], **every)).teachers) == 1


def test_arms_with_one_teacher_share_it(plan: Any, job: Any) -> None:
    made = plan(job(baselines=["vanilla", "neft", "lwf", "adversarial"]))
    assert list(teachers(made)) == ["teacher (fdm)", "teacher (at)"]
    assert len({student.teacher.stage.digest for student in made.students}) == 2
    assert len(students(made)) == 5


def test_evaluate_changes_neither_student_nor_its_other_measurements(plan: Any, job: Any) -> None:
    attacks = [
        {"label": "pgd5", "eps": 0.15, "step": 0.02, "steps": 5},
        {"label": "long", "eps": 0.15, "step": 0.02, "steps": 9},
    ]
    before, after = plan(job()), plan(job(evaluate={"attacks": attacks}))
    assert students(before) == students(after)
    old, new = measurements(before), measurements(after)
    assert {label for label in new if label not in old} == {"attack long on cartl", "attack long on vanilla"}
    assert all(new[label] == old[label] for label in old)


@pytest.mark.parametrize(
    "changes", [{"transfer": {"beta": 0.4}}, {"transfer": {"trunk_statistics": "running"}}, {"seed": 4}]
)
def test_a_student_depends_on_its_settings(plan: Any, job: Any, changes: Any) -> None:
    before, after = students(plan(job())), students(plan(job(**changes)))
    assert before["student (cartl)"] != after["student (cartl)"]


def test_costs_cover_every_stage(plan: Any, job: Any) -> None:
    made = plan(job())
    stages = (teachers(made), students(made), measurements(made), probings(made))
    digests = {digest for group in stages for digest in group.values()}
    assert "worst images of cartl" in probings(made)
    assert "worst images of vanilla" not in probings(made), "only the job's own student is looked at"
    assert set(made.costs) == digests
    assert all(cost.passes > 0 and cost.images > 0 for cost in made.costs.values())


def test_an_attack_that_begins_in_another_precision_is_computed_anew_and_says_why() -> None:
    before = {"recipe": "3", "device": "cpu", "precision": "fp32"}
    told = superseded(
        "evaluate", "attack", "0" * 64, earlier=before, basis={**before, "attack_precision": "bf16"}
    )
    assert told.why == "machine"
    assert told.words == "attack: the finished one is of precision in which attacks begin fp32, now bf16"
    again = superseded("evaluate", "attack", "0" * 64, earlier=before, basis=before)
    assert "precision" not in again.words
