"""Every implementation of ``Store``, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartl_core.storage.store import Store
from tests.core.storage.stores import IMPLEMENTATIONS


@pytest.fixture(params=IMPLEMENTATIONS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return IMPLEMENTATIONS[request.param](request, tmp_path)
