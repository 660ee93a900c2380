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
from tests.fixtures.requests import pretrain_of

JOB = Path(__file__).parent / "golden_job.json"

DIGESTS = {
    "teacher (fdm)": "9a5e3575b31426a828199f6556bbe2fd154c12fdba40d9b4574c7dea008439fc",
    "teacher (at)": "47cee3756058743d4c9248416cd5dfcf3d01ff2c27c584ae92ce6f528238bf75",
    "student (cartl)": "0fd7ab5734ec17f2b37448cb9fb59cc9fb0f2e89f02b69206ece97c2403455ff",
    "student (vanilla)": "c00f3e64b886894d720973637b38e8940b0555ce45cf9e32dc180ee0b08b1aa4",
    "student (neft)": "e1b93081dd4254fde2f22a6697ed3350311cbb64f4d5c5d840d2db1df0430bff",
    "student (lwf)": "31b1038f920f9d9854de5d93c7533cec97926d39405021f9c9a893f9f79a0e48",
    "student (adversarial)": "dbb7081add551d95a862262aabd2d67a18911bce3bc2fc58baf53e74a6809d8f",
    "clean accuracy of cartl": "b3674aeb502b4d07d02f128189b1d248f153124c827ac409fb6cf96e3cca1b3b",
    "attack pgd5 on cartl": "5c2bf6acbb67c9d51cabed24637503c917520698c65d390fdc9a45731f896cbb",
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
        name = f"teacher ({pretrain_of(arm).objective})"
        teacher = workspace(f"teacher of {arm.method}")
        pretrain(pretrain_of(arm), arm.freeze_depth, tiny, source, seed=0, ctx=teacher.context())
        found[name] = losses(teacher.directory)
        student = workspace(f"student of {arm.method}")
        transfer(arm, teacher.directory / NETWORK, target, seed=0, ctx=student.context())
        found[f"student ({arm.method})"] = losses(student.directory)
    assert found.keys() == LOSSES.keys()
    for name, expected in LOSSES.items():
        assert found[name] == pytest.approx(expected, rel=1e-4), name


def losses(directory: Path) -> tuple[float, ...]:
    return tuple(epoch["loss"] for epoch in read_result(directory)["history"])
