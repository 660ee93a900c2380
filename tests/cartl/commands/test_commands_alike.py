"""What all commands have in common: answers as JSON, silence, completion, a row in the reference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cartl.main import app
from tools.reference.commands import leaves

WITHOUT: dict[str, set[str]] = {
    "demo": {"--json", "--quiet"},  # it shows what there is, and its report is a file
    "completion": {"--json", "--quiet"},  # a script for a shell, and nothing else
    "sign": {"--json", "--quiet"},  # it writes a file
    "logs": {"--quiet"},  # a log is all words
}
COMMANDS: dict[str, Any] = dict(leaves(typer.main.get_command(app)))


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_answer_in_json_and_be_quiet(name: str) -> None:
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    lacking = {"--json", "--quiet"} - options
    assert lacking == WITHOUT.get(name, set())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_in_one_line(name: str) -> None:
    first = (COMMANDS[name].help or "").partition("\n\n")[0]
    assert first.endswith(".") and len(first) <= 110, first


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_printed(shell: str) -> None:
    done = run("completion", shell)
    assert done.exit_code == 0 and f"_CARTL_COMPLETE=complete_{shell}" in done.stdout


def test_a_shell_that_is_not_known_is_refused() -> None:
    assert run("completion", "csh").exit_code == 2


def test_a_shell_completes_commands() -> None:
    """As bash asks: the completion that is printed above calls the program so."""
    environment = {"_CARTL_COMPLETE": "complete_bash", "COMP_WORDS": "cartl do", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'cartl'; from cartl.main import main; main()"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert set(done.stdout.split()) == {"doctor", "download"}, done.stderr


def test_the_version() -> None:
    from importlib.metadata import version

    assert run("version", "--quiet").stdout == version("cartl") + "\n"
    assert json.loads(run("version", "--json").stdout)["cartl"] == version("cartl")
