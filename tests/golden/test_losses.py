"""Losses of the first steps of every method: they move only together with ``RECIPE_VERSION``.

They hold to 1e-4: libraries and processors differ in the last bits. Digests hold exactly.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.golden.files import read
from tests.golden.losses import STUDENTS, TEACHERS, compute


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return compute(tmp_path_factory.mktemp("losses"))


def test_every_training_is_kept(found: Any) -> None:
    kept = read("losses")
    assert kept["teachers"].keys() == found["teachers"].keys() == TEACHERS.keys()
    assert kept["students"].keys() == found["students"].keys() >= STUDENTS.keys()


@pytest.mark.parametrize("stage", ["teachers", "students"])
def test_digests(found: Any, stage: str) -> None:
    kept = read("losses")[stage]
    assert {name: one["digest"] for name, one in found[stage].items()} == {
        name: one["digest"] for name, one in kept.items()
    }


@pytest.mark.parametrize("stage", ["teachers", "students"])
def test_losses_and_sizes_of_weights(found: Any, stage: str) -> None:
    for name, kept in read("losses")[stage].items():
        own = found[stage][name]
        assert own["weights"] == pytest.approx(kept["weights"], rel=1e-4), name
        for number, (step, expected) in enumerate(zip(own["steps"], kept["steps"], strict=True), 1):
            assert step == pytest.approx(expected, rel=1e-4, abs=1e-6), f"{name}, step {number}"


def test_settings_are_told_apart() -> None:
    """No two trainings have the same losses, but for the defaults that are written out."""
    kept = read("losses")
    for stage, same in (("teachers", 0), ("students", 3)):
        seen = [str(one["steps"]) for one in kept[stage].values()]
        assert len(seen) - len(set(seen)) <= same
