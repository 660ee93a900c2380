"""Golden numbers: they move only together with ``RECIPE_VERSION``.

Digests pin what a stage is called, losses of the first two steps pin what it computes. When a test here
fails, either undo the cause or, if the numbers are meant to change, raise the version of that stage in
``cartl_core.planning.stage_digests`` and write the new values down. Losses hold to 1e-4: libraries and
processors differ in the last bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cartl_core.planning.make_plan import plan_transfer
from cartl_core.planning.plan import DataCounts, StudentPlan, TeacherPlan
from cartl_core.planning.stage_digests import RECIPE_VERSION
from cartl_core.spec import JobSpec, Runtime
from cartl_core.storage.stage_result import NETWORK, read_result
from cartl_core.training.pretrain import pretrain
from cartl_core.training.transfer import transfer

JOB = Path(__file__).parent / "golden_job.json"

DIGESTS = {
    "teacher (fdm)": "7283efd07ad8eaf2d76e431d78879b39b19c81e9c112dfbf4f518705d0a3064b",
    "teacher (at)": "db12730728ba5405e1b7dc5fa0cd87a471d5bd20d8acb58843a75cc5c02f9e1c",
    "student (cartl)": "29b1e5efd5a8bfc573dc2314c263e05b566e72ffe382056f4ccff322966fbf04",
    "student (vanilla)": "84dc0bb757b18a2e0cf706bacb2e53b4138c0a7c98b9aab3d881f94f00fb1b29",
    "student (neft)": "386b71a49884ae91b9e85d965d30501c86c3befad610b6926338b6bfd37434cc",
    "student (lwf)": "abd4b209b5ba29415b68599bb36fb76c0eacde5ebe372b6a6b8b00077dcfbf90",
    "student (adversarial)": "f39f1f0bf2850292042997b60f9ea0a374c2efdc81fe09768c85d73a9ffef06a",
    "clean accuracy of cartl": "d0c204ef53c855694ab1e8d5d56af1891bbb48a809e03480d797a28d6b1800f0",
    "attack pgd5 on cartl": "13346b70d1c0ff1521a09475bb28aed8e05f6dd0f28c731f91c4ea6b4f2aedc5",
}
LOSSES = {
    "teacher (fdm)": (1.673345, 1.490161),
    "student (cartl)": (1.460440, 1.383675),
    "teacher (at)": (1.251019, 1.022287),
    "student (vanilla)": (1.472595, 1.377220),
    "student (neft)": (1.451856, 1.375470),
    "student (lwf)": (1.407546, 1.571780),
    "student (adversarial)": (1.731369, 1.643583),
}


@pytest.fixture
def spec() -> JobSpec:
    return JobSpec.model_validate_json(JOB.read_bytes())


def test_versions_are_those_of_the_numbers_below() -> None:
    assert RECIPE_VERSION == {"pretrain": 1, "transfer": 1, "evaluate": 3}


def test_stage_digests_are_the_recorded_ones(spec: JobSpec, runtime: Runtime) -> None:
    plan = plan_transfer(
        spec, source=DataCounts("source", 1000, 100), target=DataCounts("target", 500, 100), runtime=runtime
    )
    networks: tuple[TeacherPlan | StudentPlan, ...] = (*plan.teachers, *plan.students)
    found = {network.stage.key.label: network.stage.digest for network in networks}
    for measurement in plan.students[0].measurements:
        found[measurement.key.label] = measurement.key.digest
    assert found == DIGESTS


def test_losses_of_the_first_two_steps(spec: JobSpec, workspace: Any, task: Any, tiny: Any) -> None:
    """One batch is an epoch here, so the mean loss of an epoch is the loss of a step."""
    source, target = task(classes=3, seed=1, train=16), task(classes=4, seed=2, train=16)
    found: dict[str, tuple[float, ...]] = {}
    for arm in spec.arms:
        name = f"teacher ({arm.pretrain.objective})"
        teacher = workspace(f"teacher of {arm.method}")
        pretrain(arm.pretrain, arm.freeze_depth, tiny, source, seed=0, ctx=teacher.context())
        found[name] = losses(teacher.directory)
        student = workspace(f"student of {arm.method}")
        transfer(arm, teacher.directory / NETWORK, target, seed=0, ctx=student.context())
        found[f"student ({arm.method})"] = losses(student.directory)
    assert found.keys() == LOSSES.keys()
    for name, expected in LOSSES.items():
        assert found[name] == pytest.approx(expected, rel=1e-4), name


def losses(directory: Path) -> tuple[float, ...]:
    return tuple(epoch["loss"] for epoch in read_result(directory)["history"])
