"""Commands about this machine call the other programs with what was typed, and end as they do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cartl.http.problems import NotInstalled, NotUsable
from cartl.main import app
from cartl.serving.programs import LIBRARY, RECORD, Program


class Called:
    """What would have been run."""

    def __init__(self, code: int = 0, said: bytes = b"") -> None:
        self.code, self.said = code, said
        self.command: list[str] = []
        self.environment: dict[str, str] = {}

    def __call__(self, command: list[str], *, env: dict[str, str], **how: Any) -> Any:
        self.command, self.environment = command[1:], env
        return SimpleNamespace(returncode=self.code, stdout=self.said)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    made = Called()
    monkeypatch.setattr(subprocess, "run", made)
    return made


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["fetch", "-x"], None),
        (["fetch", "mnist", "--data-dir", "d"], "cartl_core fetch --data-root=d/data -- mnist"),
        (["fetch", "--data-root", "r", "mnist"], "cartl_core fetch --data-root=r -- mnist"),
        (["prune", "--older-than", "3", "--dry-run"], "jobs prune --older-than=3.0 --dry-run"),
        (["prune", "--older-than", "nan"], None),
        (
            ["run", "s.json", "--out", "o", "-q"],
            "cartl_core run --out=o --data-root=.cartl/data --progress=none -- s.json",
        ),
        (["convert", "--key", "ema", "--", "-a", "b"], "cartl_core convert --key=ema -- -a b"),
        (
            ["keys", "create", "--owner", "ada", "--role", "viewer", "--name", "n"],
            "jobs keys create --owner=ada --name=n --role=viewer",
        ),
    ],
)
def test_what_is_run(called: Called, typed: list[str], expected: str | None) -> None:
    code = run(*typed).exit_code
    assert " ".join(called.command) == (f"-m {expected}" if expected else "")
    assert code == (0 if expected else 2)


def test_the_data_directory_is_told(called: Called) -> None:
    run("prune", "--data-dir", "/srv/cartl")
    assert called.environment["CARTL_DATA_DIR"] == "/srv/cartl"


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 1)])
def test_a_run_ends_with_a_code_of_this_command(called: Called, code: int, ends: int) -> None:
    """Its own 4 says that its listener was gone; here 4 is an address at which nobody answers."""
    called.code = code
    assert run("run", "s.json", "--out", "o").exit_code == ends


def test_what_it_said_comes_as_json(called: Called) -> None:
    called.code, called.said = 1, b"one\ntwo\n"
    done = run("prune", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"exit_code": 1, "lines": ["one", "two"]})
    called.code = 0
    assert json.loads(run("keys", "create", "--json").stdout)["secret"] == "two"


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(NotInstalled, match=r"no_such_module: pip install 'cartl\[core\]'"):
        Program("cartl_core", "core", ("no_such_module",)).run([], shown=True)


def test_an_argument_that_no_program_takes_is_refused() -> None:
    for program in (LIBRARY, RECORD):
        with pytest.raises(NotUsable):
            program.run(["a\0b"], shown=True)


def test_a_program_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sleeps.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = Program("sleeps", "core", ()).run([], shown=False, seconds=0.5)
    assert done.code == 1 and "did not end" in done.lines[0]
