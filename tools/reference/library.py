"""The public library: every name of ``cartl_core`` and the attacks, with signature and docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

import cartl_core
from cartl_core import attacks
from cartl_core.run.library.run_job import run

INTRODUCTION = """\
# The library

`from cartl_core import NAME`. A name is imported at its first use, so `import cartl_core` needs no torch.
[The tutorial](../tutorials/library.md) shows them at work.

"""
ATTACKS = ("AttackOutcome", "pgd", "apgd", "fab", "square")
FIELDS_ELSEWHERE = {"Report": "report.md", "JobRequest": "specification.md"}
"""Pages that have the fields of a model; of any other it is the specification's."""


def library_page() -> str:
    """A section for each name, then those of ``cartl_core.attacks``."""
    names = "".join(_section(name, _named(name)) for name in cartl_core.__all__)
    functions = "".join(_section(f"attacks.{name}", getattr(attacks, name)) for name in ATTACKS)
    note = (
        "## Attacks\n\n`from cartl_core.attacks import NAME`; each takes any model that maps images in "
        "[0, 1] to logits.\n\n"
    )
    return (INTRODUCTION + names + note + functions).rstrip() + "\n"


def _named(name: str) -> Any:
    return run if name == "run" else getattr(cartl_core, name)


def _section(name: str, found: Any) -> str:
    docs = inspect.cleandoc(found.__doc__ or "")
    head = f"{'###' if '.' in name else '##'} `{name}`\n\n"
    if inspect.isclass(found) and issubclass(found, BaseModel):
        page = FIELDS_ELSEWHERE.get(name, "specification.md")
        return f"{head}{docs}\n\nIts fields: [{page}]({page}).\n\n"
    if inspect.isclass(found) and issubclass(found, Exception):
        return f"{head}{docs}\n\n"
    return f"{head}```text\n{signature(name, found)}\n\n{docs}\n```\n\n"


def signature(name: str, found: Callable[..., Any]) -> str:
    """A line for each parameter."""
    signature = inspect.signature(found)
    lines, starred = [], False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            lines.append("    *,")
            starred = True
        lines.append(f"    {_parameter(parameter)},")
    returned = signature.return_annotation
    ending = "" if returned is signature.empty or inspect.isclass(found) else f" -> {_type(returned)}"
    opening = f"{name.removeprefix('attacks.')}("
    return "\n".join([opening, *lines, f"){ending}"]) if lines else f"{opening}){ending}"


def _parameter(parameter: inspect.Parameter) -> str:
    default = parameter.default
    shown = getattr(default, "__name__", repr(default))
    ending = "" if default is parameter.empty else f" = {shown}"
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    return f"{stars}{parameter.name}: {_type(parameter.annotation)}{ending}"


def _type(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
