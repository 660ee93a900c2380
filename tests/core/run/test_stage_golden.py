"""Golden numbers: they move only together with ``RECIPE_VERSION``.

Digests pin what a stage is called, losses of the first two steps pin what it computes. When a test here
fails, either undo the cause or, if the numbers are meant to change, raise the version of that stage in
``cartl_core.stage_keys`` and write the new values down. Losses hold to 1e-4: libraries and processors
differ in the last bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cartl_core.plan import TestData, make_plan
from cartl_core.results import read_result
from cartl_core.spec import JobSpec, Runtime
from cartl_core.stage_keys import RECIPE_VERSION
from cartl_core.stages import NETWORK
from cartl_core.stages.pretrain import pretrain
from cartl_core.stages.transfer import transfer

JOB = Path(__file__).parent / "golden_job.json"

DIGESTS = {
    "teacher (fdm)": "4ff98497ef8c84e95fdd8c3b267a6067ff4fd6ff700501f56ff57b9909edec14",
    "teacher (at)": "2662a525eef6a1d9c43d2076f1ae506c297b94a651d845e547bbdbe604d048ea",
    "student (cartl)": "389d505fb5269cae49cb3922098e405b6b6d8e46dcb02b5d6dd37cbc97d58484",
    "student (vanilla)": "4cfbaa8354d378003752b6bec89fb0fe7e9e4b908b8dfed78ec9433344d12554",
    "student (neft)": "2cda40be4ea1e200d938b596c7df0f092402b6c3b347737e13ed66b9bb63f8df",
    "student (lwf)": "54e843143f93f02484d34d8d4c35db1d5591b54e6eaf26a3ebbb915b5390b529",
    "student (adversarial)": "3e1a8cace748e1c7aa0fea7bbeeab3eef2747bf78d77b0ca8e970fc4e3d2b27b",
    "clean accuracy of cartl": "169402d4ef120dc1753877ed69c55b611ffaeae2f7137b31a6dcc0b7f1e9a745",
    "attack pgd5 on cartl": "60c5b9d6f7dd3c05afac6154fcf70885cae6031403ef506b13dd853662c072fa",
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
    assert RECIPE_VERSION == {"pretrain": 1, "transfer": 1, "evaluate": 1}


def test_digests(spec: JobSpec, runtime: Runtime) -> None:
    plan = make_plan(
        spec, source=TestData("source", 1000, 100), target=TestData("target", 500, 100), runtime=runtime
    )
    networks = (*plan.teachers, *plan.students)
    found = {network.key.label: network.key.digest for network in networks}
    for measurement in plan.students[0].measurements:
        found[measurement.key.label] = measurement.key.digest
    assert found == DIGESTS


def test_losses_of_the_first_two_steps(spec: JobSpec, bench: Any, task: Any, tiny: Any) -> None:
    """One batch is an epoch here, so the mean loss of an epoch is the loss of a step."""
    source, target = task(classes=3, seed=1, train=16), task(classes=4, seed=2, train=16)
    found: dict[str, tuple[float, ...]] = {}
    for arm in spec.arms:
        name = f"teacher ({arm.pretrain.objective})"
        teacher = bench(f"teacher of {arm.method}")
        pretrain(arm.pretrain, arm.freeze_depth, tiny, source, seed=0, place=teacher.place())
        found[name] = losses(teacher.directory)
        student = bench(f"student of {arm.method}")
        transfer(arm, teacher.directory / NETWORK, target, seed=0, place=student.place())
        found[f"student ({arm.method})"] = losses(student.directory)
    assert found.keys() == LOSSES.keys()
    for name, expected in LOSSES.items():
        assert found[name] == pytest.approx(expected, rel=1e-4), name


def losses(directory: Path) -> tuple[float, ...]:
    return tuple(epoch["loss"] for epoch in read_result(directory)["history"])
