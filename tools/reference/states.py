"""The states of a job, what moves it, and the reasons that it ends with."""

from __future__ import annotations

import ast
import inspect

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


def states_page() -> str:
    """States, transitions, the diagram and the reasons."""
    states = table(("state", "meaning"), ((code(state.value), meaning) for state, meaning in _meanings()))
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
    return f"{INTRODUCTION}{states}## Transitions\n\n{moves}{picture}{REASONS_NOTE}{reasons}".rstrip() + "\n"


def _meanings() -> list[tuple[JobState, str]]:
    """Each state and the docstring under it."""
    body = ast.parse(inspect.getsource(JobState)).body[0]
    assert isinstance(body, ast.ClassDef)
    meanings = []
    for assigned, text in zip(body.body, body.body[1:], strict=False):
        match assigned, text:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                meanings.append((JobState[name], meaning.replace("``", "`")))
    return meanings
