"""Threads that wait spin for a bounded time, unless a person has said how they wait."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from cartl_core.compat.openmp import SPIN_COUNT, bound_spinning


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"GOMP_SPINCOUNT": SPIN_COUNT}),
        ({"GOMP_SPINCOUNT": "5"}, {"GOMP_SPINCOUNT": "5"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
)
def test_what_a_person_has_set_stays(before: dict[str, str], after: dict[str, Any]) -> None:
    bound_spinning(before)
    assert before == after


def test_the_command_sets_it_before_torch_is_loaded() -> None:
    program = (
        "import os, sys, runpy\n"
        "sys.argv = ['cartl_core', 'fetch', '--help']\n"
        "try:\n"
        "    runpy.run_module('cartl_core', run_name='__main__')\n"
        "except SystemExit:\n"
        "    print(os.environ['GOMP_SPINCOUNT'])\n"
        "import cartl_core.__main__ as command\n"
    )
    loaded = "import sys, cartl_core.__main__; print('torch' in sys.modules)"
    said = [
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
        for text in (program, loaded)
    ]
    assert said[0].splitlines()[-1] == SPIN_COUNT
    assert said[1].strip() == "False"
