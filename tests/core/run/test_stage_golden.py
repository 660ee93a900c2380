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
    "teacher (fdm)": "bed7014bf797f05f2b81fb54dbdb11349d7c6e4b286340919cb91d8f20b4e429",
    "teacher (at)": "321e43e06b43f1caefb8e19084cb7bd5fb66cccc5b908623c4e86d7fd4b895a5",
    "student (cartl)": "24ac916ebe65c05c4074632715f413636c62de8b5e2018321a4139eac5fd3420",
    "student (vanilla)": "050373474f9b59f9c10c5d9c28a3c9042de3948021fc63979134f8d3106d38e9",
    "student (neft)": "32cef4224a8a444739243065c4f4d4584f6dbd1825ee32c8fbaecee9d7d09544",
    "student (lwf)": "aad7ba1fe28b16d4efbeb3f1f3a0902b835d5d4fff735c356b8db2afec089d23",
    "student (adversarial)": "444f8af8a218f64ebaa5d20ef2ffc6096ceff1344183b60203bdf437a590b53c",
    "clean accuracy of cartl": "e7e84a575c9baebd1f5393e36742c87e528b1c91aa9bcc0661e788ad751fe921",
    "attack pgd5 on cartl": "862a854438151f59ed37d23a9fae425c237429d7e273870c5c990c288cacbef4",
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
