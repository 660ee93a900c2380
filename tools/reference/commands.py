"""The commands: `cartl`, `python -m jobs`, `python -m cartl_core`, from their own parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import typer

from cartl.exit_codes import MEANINGS
from cartl.main import app as cartl_app
from cartl_core.__main__ import command_line
from jobs.__main__ import app as jobs_app
from tools.reference.markdown import cell, code, table

HEAD = ("argument", "default", "meaning")
INTRODUCTION = """\
# Commands

`cartl` speaks HTTP and needs neither database nor torch; [a how-to page](../how-to/use-the-command.md)
shows it at work. `python -m jobs` looks after the record of a deployment. `python -m cartl_core` is the
library as a command. `python -m api` and `python -m worker` start the two processes of a service; they take
no arguments and read the [settings](settings.md).

`cartl` ends with one of these codes:

"""


def commands_page() -> str:
    """A chapter for each program."""
    chapters = (
        _typer_chapter("cartl", cartl_app),
        _typer_chapter("python -m jobs", jobs_app),
        _argparse_chapter(command_line()),
    )
    codes = table(("code", "meaning"), [(str(number), meaning) for number, meaning in MEANINGS.items()])
    return (INTRODUCTION + codes + "".join(chapters)).rstrip() + "\n"


def _typer_chapter(program: str, app: typer.Typer) -> str:
    root: Any = typer.main.get_command(app)
    sections = "".join(_typer_command(f"{program} {name}", found) for name, found in leaves(root))
    return f"## {program}\n\n{root.help}\n\n{sections}"


def leaves(group: Any) -> Iterator[tuple[str, Any]]:
    """The commands of a group and of the groups in it, each under its whole name."""
    for name, found in group.commands.items():
        if hasattr(found, "commands"):
            yield from ((f"{name} {inner}", leaf) for inner, leaf in leaves(found))
        else:
            yield name, found


def _typer_command(name: str, command: Any) -> str:
    rows = [
        (_spelt(parameter), _default(parameter), _help(parameter))
        for parameter in command.params
        if parameter.name != "help"
    ]
    about = " ".join((command.help or "").split())
    return f"### {name}\n\n{about}\n\n{table(HEAD, rows)}"


def _spelt(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        names = [parameter.metavar or parameter.name.upper()]
    return ", ".join(code(name) for name in names)


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or default is False or default == []:
        return ""
    return code(list(default) if isinstance(default, (list, tuple)) else str(default))


def _help(parameter: Any) -> str:
    env = f" Or the variable `{parameter.envvar}`." if getattr(parameter, "envvar", None) else ""
    return f"{parameter.help or ''}{env}"


def _argparse_chapter(parser: argparse.ArgumentParser) -> str:
    chosen = next(found for found in parser._actions if isinstance(found, argparse._SubParsersAction))
    summaries = {action.dest: action.help for action in chosen._choices_actions}
    rows = {name: map(_argument, _own(inner)) for name, inner in chosen.choices.items()}
    sections = "".join(
        f"### {parser.prog} {name}\n\n{_sentence(summaries.get(name))}\n\n{table(HEAD, of_command)}"
        for name, of_command in rows.items()
    )
    return f"## {parser.prog}\n\n{parser.description}\n\n{sections}"


def _own(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.dest != "help"]


def _argument(action: argparse.Action) -> tuple[str, str, str]:
    name = ", ".join(code(option) for option in action.option_strings) or code(
        str(action.metavar or action.dest)
    )
    default = "" if action.default in (None, False) else code(str(action.default))
    choices = f"One of {', '.join(code(str(choice)) for choice in action.choices)}." if action.choices else ""
    said = _sentence(action.help)
    return name, "required" if action.required else default, cell(f"{said} {choices}")


def _sentence(text: str | None) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""
