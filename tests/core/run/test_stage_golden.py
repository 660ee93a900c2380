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
    "teacher (fdm)": "588ae9a919ba95b02b659cd123baede918c258f447ba756b4f5c778526f9cdfb",
    "teacher (at)": "e6c6e15b036bf4d675187148a90b54a9e5ebd6c41c1c923b8fa0e90c0e69080b",
    "student (cartl)": "dbdee046eaf3fa1134a2c9910c357062d56e9fc273e17817e0ba0637e95656ed",
    "student (vanilla)": "ce9873c6d95cd1eda7d22a59a3c132cc059e0b04d70e3a839bada76275e1f87d",
    "student (neft)": "01cd0ec1a52cbc57b167d74ed818dbb8244ea3c34019f5bb724d55f54d460e93",
    "student (lwf)": "fd9f3eadcdefdf2a81c705f727c2f136afe8d82254e9049181fdd1d1ce8e3193",
    "student (adversarial)": "8b7bb36ec5f7b122162f10d735cc404c675442bc7d5f5288704d746188b5a3ec",
    "clean accuracy of cartl": "37d19a5f583e4be7a598df94cdc454c808b8f3a9d89fbe65ea988f011ca63223",
    "attack pgd5 on cartl": "e59f879803efb8332393305ea4f8e317ddbb1b76664d5edd182239f0c9d4a79a",
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
