"""The states of jobs, data sets and teachers, what moves them, and the reasons that they end with."""

from __future__ import annotations

import ast
import inspect
from enum import StrEnum

from jobs import resource_state
from jobs.resource_state import DatasetState, TeacherState
from jobs.state import REASONS, TRANSITIONS, WORDS, JobState, diagram
from tools.reference.markdown import code, table

INTRODUCTION = """\
# States of a job

`state` is one of these. Stage, epoch and attack progress are events and columns, never states.

"""
REASONS_NOTE = """\
## Reasons

`reason` of a job that failed or was cancelled. The codes are stable, for programs to match on; `message` is
for people.

"""
RESOURCE_REASONS_NOTE = """\
## Reasons of data sets and teachers

`reason` of one that was rejected; `message` is for people.

"""


def states_page() -> str:
    """States, transitions, the diagram and the reasons."""
    states = table(
        ("state", "meaning"), ((code(state.value), meaning) for state, meaning in _meanings(JobState))
    )
    moves = table(
        ("from", "to", "what happens"),
        (
            (code(state.value), code(reached.value), WORDS[move])
            for (state, move), reached in TRANSITIONS.items()
        ),
    )
    reasons = table(
        ("reason", "what happened, and what to do"),
        ((code(name), advice) for name, advice in REASONS.items()),
    )
    picture = f"```mermaid\n{diagram().strip()}\n```\n\n"
    page = f"{INTRODUCTION}{states}## Transitions\n\n{moves}{picture}{REASONS_NOTE}{reasons}{_resources()}"
    return page.rstrip() + "\n"


def _resources() -> str:
    """States and reasons of data sets and teachers."""
    chapters = (
        f"## States of a {noun}\n\n"
        + table(("state", "meaning"), ((code(state.value), meaning) for state, meaning in _meanings(kind)))
        for noun, kind in (("data set", DatasetState), ("teacher", TeacherState))
    )
    reasons = table(
        ("reason", "what is wrong, and what to do"),
        ((code(name), advice) for name, advice in resource_state.REASONS.items()),
    )
    return "".join(chapters) + RESOURCE_REASONS_NOTE + reasons


def _meanings(kind: type[StrEnum]) -> list[tuple[StrEnum, str]]:
    """Each state and the docstring under it."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    meanings = []
    for assigned, text in zip(body.body, body.body[1:], strict=False):
        match assigned, text:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                meanings.append((kind[name], meaning.replace("``", "`")))
    return meanings
