"""Options that take numbers as people write them: `--mean 0.5 0.5 0.5`, `--eps 8/255`."""

from __future__ import annotations

import math
from typing import Any

import typer
from typer.core import TyperCommand

SEVERAL = ("--mean", "--std")
MOST = 3


class SeveralNumbers(TyperCommand):
    """A command whose options ``SEVERAL`` take one number or three; its function gets them with commas."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join the numbers that follow such an option."""
        return super().parse_args(ctx, _joined(args))


def _joined(args: list[str]) -> list[str]:
    joined: list[str] = []
    waiting = list(args)
    while waiting:
        option = waiting.pop(0)
        joined.append(option)
        found: list[str] = []
        while option in SEVERAL and waiting and len(found) < MOST and _is_number(waiting[0]):
            found.append(waiting.pop(0))
        if found:
            joined.append(",".join(found))
    return joined


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def numbers(text: str | None, option: str) -> list[float] | None:
    """The numbers of such an option.

    Raises:
        BadParameter: it holds something else.
    """
    if text is None:
        return None
    parts = text.split(",")
    if not all(map(_is_finite, parts)) or len(parts) > MOST:
        raise typer.BadParameter("one number, or one for each of three channels", param_hint=option)
    return [float(part) for part in parts]


def radius(text: str) -> float:
    """`0.5`, or a share as in `8/255`.

    Raises:
        BadParameter: it is neither.
    """
    above, line, below = text.partition("/")
    if not _is_finite(above) or (line and not (_is_finite(below) and float(below) > 0)):
        raise typer.BadParameter(f"{text[:80]!a} is no number, and no share such as 8/255")
    return float(above) / float(below) if line else float(above)


def _is_finite(text: str) -> bool:
    return _is_number(text) and math.isfinite(float(text))
