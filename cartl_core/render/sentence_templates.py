"""Sentences with places for numbers, ``{name}`` or ``{name:format}``: written, and read back.

Reading back is for reports of earlier versions, which stored sentences and not every number in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cartl_core.render import numbers

Number = float | int | str


@dataclass(frozen=True)
class Format:
    """How a value is written in a sentence, and how what was written is read.

    Attributes:
        write: may round.
        pattern: a regular expression of what is written.
        read: the value that is written so; of a rounded one, the rounded value.
    """

    write: Callable[[Any], str]
    pattern: str = r".+?"
    read: Callable[[str], Number] = str


_DECIMAL = r"-?[\d.]+(?:e[+-]?\d+)?"


def _whole(text: str) -> int:
    return int(text.replace(",", ""))


def _radius(text: str) -> float:
    levels, slash, _ = text.partition("/")
    return int(levels) / 255 if slash else float(text)


def _percentage(text: str) -> float:
    return float(text) / 100


FORMATS: dict[str, Format] = {
    "": Format(str),
    "plain": Format(str, r"\d+", int),
    "count": Format(numbers.count, r"[\d,]+", _whole),
    "fourfold": Format(lambda count: numbers.count(4 * count)),
    "percent": Format(numbers.percent),
    "rest": Format(lambda share: numbers.percent(1 - share)),
    "points": Format(numbers.points, r"[+-][\d.]+", _percentage),
    "share": Format(lambda share: f"{100 * max(share, 0.0):.1f}", r"[\d.]+", _percentage),
    "radius": Format(numbers.radius, rf"\d+/255|{_DECIMAL}", _radius),
    "digit": Format(lambda value: f"{value:.1f}", _DECIMAL, float),
    "two": Format(lambda value: f"{value:.2g}", _DECIMAL, float),
    "three": Format(lambda value: f"{value:.3g}", _DECIMAL, float),
    "four": Format(lambda value: f"{value:.4g}", _DECIMAL, float),
    "number": Format(numbers.number, r"[\d.,e+-]+", lambda text: float(text.replace(",", ""))),
    "whole": Format(lambda value: f"{value:.0f}", r"\d+", int),
}
"""By the name after the colon. ``fourfold`` is four times a count, ``rest`` what is missing to all, ``share``
is in points without a sign, ``two`` to ``four`` are significant digits."""

_PLACE = re.compile(r"\{([^{}:]+)(?::(\w+))?\}")


def names(template: str) -> set[str]:
    """Of all values that a template has a place for."""
    return {place[1] for place in _PLACE.finditer(template)}


def fill(template: str, values: Mapping[str, Number]) -> str:
    """The sentence with these values.

    Raises:
        KeyError: a value is missing.
    """
    return _PLACE.sub(lambda place: FORMATS[place[2] or ""].write(values[place[1]]), template)


def pattern(template: str, known: Mapping[str, Number]) -> str:
    """A regular expression of the sentences with these values, with a group for each place of another."""
    parts, end = [], 0
    for place in _PLACE.finditer(template):
        form = FORMATS[place[2] or ""]
        text = re.escape(form.write(known[place[1]])) if place[1] in known else f"({form.pattern})"
        parts += [re.escape(template[end : place.start()]), text]
        end = place.end()
    return "".join([*parts, re.escape(template[end:])])


def extract(template: str, sentence: str, known: Mapping[str, Number]) -> dict[str, Number] | None:
    """What ``sentence`` says beside what is ``known``; None unless it is this template with these values."""
    match = re.fullmatch(pattern(template, known), sentence)
    if match is None:
        return None
    missing = [place for place in _PLACE.finditer(template) if place[1] not in known]
    return {
        place[1]: FORMATS[place[2] or ""].read(text)
        for place, text in zip(missing, match.groups(), strict=True)
    }
