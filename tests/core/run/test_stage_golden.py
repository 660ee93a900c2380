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
    "student (cartl)": "6d1ee637dd9ae56419c9c24406de7da75c77992a64132501b8376a7ef78e5cf0",
    "student (vanilla)": "ed7ccb88fc8b4367ab8f0f07c3666062a820eab96ca71a262a90c71be9324cf1",
    "student (neft)": "b24806287a3b74adf98c2cfd4d1bc8726cf425166d850eb3674bb12cd6a726fe",
    "student (lwf)": "06d2c10f7d91f0ec42cdf9c8e5670110c6d26a994d236e7f7affc15334488327",
    "student (adversarial)": "5dcc08e00a4ea8bb63969e301dbabf8586f603cbd578d3e48b57fd16df66bd8c",
    "clean accuracy of cartl": "ec0a1d4bc98bdb29b542cc862161369027973f97359c9c9b6cf706971d35941c",
    "attack pgd5 on cartl": "51864e13be8550416d53eac4bbfcf9ab88fff71f7d0803d92983ec22c4d780c5",
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
    assert RECIPE_VERSION == {"pretrain": 1, "transfer": 1, "evaluate": 2}


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
