"""What may import what, and how long a module may be: the design as tests."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "cartl", "cartl_core", "jobs", "migrations", "worker")
LONGEST_MODULE = 300
HEAVY = ("torch", "torchvision", "safetensors", "matplotlib")
TORCH_FREE_ROOMS = (
    "analysis",
    "catalog",
    "planning",
    "render",
    "report",
    "spec",
    "statistics",
    "storage",
)
"""Packages of the library that import no torch; of ``render`` only the figures need matplotlib."""


def files(*packages: str) -> list[Path]:
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    assert found
    return found


def modules(*packages: str) -> list[str]:
    """Dotted names of all modules but the ones that are commands."""
    names = []
    for path in files(*packages):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] != "__main__":
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def torch_free_core() -> list[str]:
    rooms = modules(*(f"cartl_core/{room}" for room in TORCH_FREE_ROOMS))
    drawn = "cartl_core.render.plots"
    return ["cartl_core", "cartl_core.errors", "cartl_core.events"] + [
        name for name in rooms if not name.startswith(drawn)
    ]


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )


def test_the_import_contracts_hold() -> None:
    checker = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([checker], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["api.main", "worker.app"], id="the two processes"),
        pytest.param(modules("api", "jobs", "worker", "cartl"), id="all their modules"),
        pytest.param(torch_free_core(), id="the torch-free rooms of the library"),
    ],
)
def test_no_torch_is_imported_and_none_is_needed(names: list[str]) -> None:
    free = run_python(
        f"import importlib, json, sys\nfor name in {names}: importlib.import_module(name)\n"
        f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    )
    assert free.returncode == 0, free.stderr
    assert json.loads(free.stdout.splitlines()[-1]) == []
    blocked = run_python(
        f"import importlib, sys\nfor name in {HEAVY}: sys.modules[name] = None\n"
        f"for name in {names}: importlib.import_module(name)"
    )
    assert blocked.returncode == 0, blocked.stderr


def test_blocking_torch_really_blocks_it() -> None:
    done = run_python("import sys\nsys.modules['torch'] = None\nimport cartl_core.nn.losses")
    assert done.returncode != 0
    assert "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_is_too_long(package: str) -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files(package)}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_module_is_called_by_no_name() -> None:
    banned = {"utils", "util", "helpers", "misc"}
    assert [path for path in files(*PACKAGES) if path.stem in banned or path.parent.name in banned] == []


def test_every_template_and_style_sheet_is_in_the_wheel() -> None:
    """Each lies in a package, or in the folder of one, where a pattern of the build finds it."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    wanted = {
        path
        for package in PACKAGES
        for kind in ("html", "css")
        for path in (ROOT / package).rglob(f"*.{kind}")
    }
    packages = {path.parent for path in files(*PACKAGES) if path.name == "__init__.py"}
    shipped = {
        path
        for package in packages
        for pattern in build["package-data"]["*"]
        for path in package.glob(pattern)
    }
    wanted |= {ROOT / "cartl_core/py.typed"}
    assert len(wanted) > 1
    assert wanted - shipped == set()
    assert (ROOT / "cartl_core/py.typed").exists()
