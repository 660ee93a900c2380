"""Trainings of tests are validated by an attack of few steps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cartl_core.catalog import evaluations


@pytest.fixture(autouse=True, scope="module")
def brief_validation() -> Iterator[None]:
    """What is shown here does not hang on how strong that attack is; it took a quarter of the time.

    Of a module: a folder without `__init__.py` is no package, whose fixtures would stay to the end.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluations, "STUDENT_STEPS", 2)
        yield
