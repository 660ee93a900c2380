"""The wheel, built and installed into a fresh environment, used from another folder than the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = (
    "api",
    "cartl",
    "cartl_core",
    "jobs",
    "migrations",
    "worker",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "build", "*.egg-info")
UNREAD_BY_MYPY = ("torch", "torchvision", "numpy", "scipy", "matplotlib", "PIL", "sklearn", "safetensors")

pytestmark = pytest.mark.slow


def ran(*command: str | Path, cwd: Path) -> str:
    """What the command printed; without the settings of whoever runs the tests."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CARTL_", "PIP_"))
    }
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the sources, so that nothing is left in the checkout; needs no network."""
    folder = tmp_path_factory.mktemp("sources")
    for name in PACKAGED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=LEFT_OUT)
        else:
            shutil.copy(source, folder / name)
    built = folder / "dist"
    build = ("wheel", "--no-build-isolation", "--no-deps", "--no-index", "--quiet")
    ran(sys.executable, "-m", "pip", *build, "--wheel-dir", built, folder, cwd=folder)
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a fresh environment: the wheel, and beside it what this one has, less the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    interpreter = folder / "bin/python"
    install = ("install", "--no-deps", "--no-index", "--quiet", wheel)
    ran(sys.executable, "-m", "pip", "--python", interpreter, *install, cwd=folder)
    site = Path(ran(interpreter, "-c", "import site; print(site.getsitepackages()[0])", cwd=folder))
    others = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(others) + "\n")
    return interpreter


def test_the_library_is_imported_from_the_wheel(python: Path, tmp_path: Path) -> None:
    code = "import cartl_core, pathlib; print(pathlib.Path(cartl_core.__file__).parent)"
    package = Path(ran(python, "-c", code, cwd=tmp_path))
    assert package.is_relative_to(python.parents[1])
    assert (package / "py.typed").is_file()
    here = {
        path.relative_to(ROOT / "cartl_core")
        for path in (ROOT / "cartl_core").rglob("*")
        if path.is_file() and path.suffix not in (".pyc",)
    }
    assert here <= {path.relative_to(package) for path in package.rglob("*")}
    for other in ("api/web", "migrations"):
        packaged = {path.name for path in (package.parent / other).rglob("*") if path.is_file()}
        there = {path.name for path in (ROOT / other).rglob("*") if path.is_file() and path.suffix != ".pyc"}
        assert there <= packaged


def test_importing_it_needs_no_torch(python: Path, tmp_path: Path) -> None:
    code = """
import sys
for name in ("torch", "torchvision", "safetensors", "matplotlib"):
    sys.modules[name] = None
from cartl_core import JobRequest, resolve
print(resolve(JobRequest.model_validate({"dataset": "digits", "freeze_depth": 2})).method)
"""
    assert ran(python, "-c", code, cwd=tmp_path) == "cartl"


def test_attacks_and_transfer_run(python: Path, tmp_path: Path) -> None:
    code = """
import torch
from torch import nn
from cartl_core import transfer
from cartl_core.attacks import pgd
torch.set_num_threads(1)
images, labels = torch.rand(40, 1, 8, 8), torch.arange(40) % 2
model = nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(64, 8)), nn.Linear(8, 2))
print(type(pgd(model, images, labels, eps=0.1, steps=3)).__name__)
print(transfer(model, images, labels, method="vanilla", freeze_depth=1, epochs=1).selected_epoch)
"""
    assert ran(python, "-c", code, cwd=tmp_path).splitlines() == ["AttackOutcome", "1"]


def test_a_report_is_rendered_with_the_templates_of_the_wheel(python: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/golden/data/report-transfer.json", tmp_path / "golden.json")
    code = """
import json
from pathlib import Path
from cartl_core import render_html, render_markdown
from cartl_core.render.schema_1 import read_report
report = read_report(json.loads(Path("golden.json").read_text())["report"])
print(render_html(report)[:15].lower(), render_markdown(report)[:1])
"""
    assert ran(python, "-c", code, cwd=tmp_path) == "<!doctype html> #"


def test_the_commands_are_there(python: Path, tmp_path: Path) -> None:
    assert "Usage" in ran(python.parent / "cartl", "--help", cwd=tmp_path)
    assert "usage" in ran(python, "-m", "cartl_core", "--help", cwd=tmp_path)


CLIENT = """
from cartl_core import JobRequest, RESOLVE, transfer

reveal_type(transfer)
spec = resolve(JobRequest.model_validate({"dataset": "digits", "freeze_depth": 2}))
reveal_type(spec.seed)
resolve(3)
transfer([], method="vanilla")
""".replace("RESOLVE", "resolve")


def test_a_client_program_sees_the_types(python: Path, tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(CLIENT)
    skipped = "".join(
        f"[mypy-{name}.*]\nfollow_imports = skip\nignore_missing_imports = True\n" for name in UNREAD_BY_MYPY
    )
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nfollow_imports = silent\n{skipped}")
    check = ("--config-file", "mypy.ini", "--python-executable", str(python), "--cache-dir", "cache")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *check, "client.py"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith(("MYPY", "PYTHON"))},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    lines = [line.split("client.py:", 1)[-1] for line in done.stdout.splitlines()]
    told = "\n".join(lines)
    assert "freeze_depth: " in told, done.stdout + done.stderr
    assert 'Revealed type is "int"' in told.replace("builtins.", "")
    assert 'Argument 1 to "resolve" has incompatible type "int"; expected "JobRequest"' in told
    assert 'Missing named argument "freeze_depth"' in told or "Missing positional arguments" in told
