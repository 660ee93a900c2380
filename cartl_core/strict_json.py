"""Reading JSON strictly: the one reader of whatever comes from outside, for service, command and library.

Python's parser takes NaN, repeated keys, endless digits, half surrogate pairs and any depth, and builds
whatever it is sent. Nothing may depend on how one parser reads these, so each is refused, and how much there
is to build is bounded before it is built. A refusal says where: a line and a column, or the path of a value.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Literal

from cartl_core.errors import CartlError

Kind = Literal[
    "malformed-json",
    "duplicate-key",
    "number-out-of-range",
    "too-deep",
    "invalid-text",
    "too-many-values",
    "body-too-large",
]

MAX_DIGITS = 40
"""Of an integer; longer ones are converted in quadratic time, and no field takes them."""
MAX_NUMBER_LENGTH = 400
"""Characters of a number with a fraction or an exponent."""
SHOWN = 60
"""Characters of a key that an error shows."""

# A text that does not end is one to the end: what never fails is never tried again from the middle.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_NO_BRACKETS = re.compile(r"[^\[\]{}]+")


@dataclass(frozen=True)
class Limits:
    """How much a text may hold.

    Attributes:
        size: in bytes.
        values: lists, objects and what is in them, all together.
        items: of one list, and keys of one object.
        depth: lists and objects within each other.
    """

    size: int
    values: int
    items: int
    depth: int = 32


REQUEST = Limits(size=1024**2, values=10_000, items=1000)
"""What a person writes: the longest list of a request has 1,000 items."""
SMALL = Limits(size=16 * 1024, values=200, items=50)
"""A few fields."""
ANSWER = Limits(size=256 * 1024**2, values=5_000_000, items=1_000_000, depth=64)
"""What a service or an earlier run has written: a report, a page of jobs."""


class JsonRefused(CartlError, ValueError):
    """A text is no JSON, or more of it than may be read.

    Attributes:
        kind: stable name of what is wrong.
        where: path of the value, as in ``evaluate.attacks.3.eps``; empty where there is none.
        why: what is wrong there, and what is allowed.
    """

    def __init__(self, kind: Kind, why: str, where: str = "") -> None:
        self.kind: Kind = kind
        self.where = where
        self.why = why
        super().__init__(f"{where}: {why}" if where else why, kind=kind)


@dataclass(frozen=True)
class _Fault:
    """Stands in the parsed value for what is refused, until its path is known."""

    kind: Kind
    why: str


def loads(text: bytes, limits: Limits = REQUEST) -> object:
    """The value of a JSON text in UTF-8.

    Raises:
        JsonRefused: see the module.
    """
    if len(text) > limits.size:
        raise JsonRefused("body-too-large", f"it has {len(text)} bytes; allowed: at most {limits.size}")
    try:
        return loads_text(text.decode("utf-8"), limits)
    except UnicodeDecodeError as error:
        raise JsonRefused("invalid-text", f"it is not UTF-8: byte {error.start} is not valid") from error


def loads_text(text: str, limits: Limits = REQUEST) -> object:
    """The same of a text that was decoded already; ``limits.size`` counts its characters.

    Raises:
        JsonRefused: see the module.
    """
    if len(text) > limits.size:
        raise JsonRefused("body-too-large", f"it has {len(text)} characters; allowed: at most {limits.size}")
    if not text.strip():
        raise JsonRefused("malformed-json", "it is empty; a JSON value is expected")
    if text.startswith("\ufeff"):
        raise JsonRefused("malformed-json", "it begins with a byte order mark")
    _check_amount(text, limits)
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=lambda name: _Fault("number-out-of-range", f"{name} is no JSON number"),
            parse_float=_float,
            parse_int=_int,
        )
    except json.JSONDecodeError as error:
        raise JsonRefused(
            "malformed-json", f"{error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise _too_deep(limits) from error
    _check(value, limits)
    return value


def read_file(path: Path, limits: Limits = REQUEST) -> object:
    """The value in a file, which may begin with a byte order mark.

    Raises:
        JsonRefused: see the module; no more than ``limits.size`` is read.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(len(codecs.BOM_UTF8) + limits.size + 1).removeprefix(codecs.BOM_UTF8)
    if len(text) > limits.size:
        raise JsonRefused("body-too-large", f"it has more than {limits.size} bytes, which are allowed")
    return loads(text, limits)


def _check_amount(text: str, limits: Limits) -> None:
    """Refuse more values than are allowed, before the first is built; commas inside of texts do not count."""
    if _amount(text) <= limits.values:
        return
    bare = outside_texts(text)
    if _amount(bare) <= limits.values:
        return
    brackets = islice(_NO_BRACKETS.sub("", bare), limits.values)
    if max(accumulate(_BRACKET_STEPS[bracket] for bracket in brackets), default=0) > limits.depth:
        raise _too_deep(limits)
    raise JsonRefused("too-many-values", f"more than {limits.values} values; allowed: at most that many")


def outside_texts(text: str) -> str:
    """A JSON text without the texts in it."""
    return _STRING.sub('"', text)


def _amount(text: str) -> int:
    return 1 + text.count(",") + text.count("[") + text.count("{")


def _object(pairs: list[tuple[str, object]]) -> object:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
    return _Fault("duplicate-key", f"the key {shown(twice)} occurs twice in one object")


def _float(digits: str) -> object:
    if len(digits) > MAX_NUMBER_LENGTH:
        return _Fault("number-out-of-range", f"a number may have at most {MAX_NUMBER_LENGTH} characters")
    value = float(digits)
    return value if math.isfinite(value) else _Fault("number-out-of-range", "it is too large for a double")


def _int(digits: str) -> object:
    if len(digits.removeprefix("-")) > MAX_DIGITS:
        return _Fault("number-out-of-range", f"an integer may have at most {MAX_DIGITS} digits")
    return int(digits)


def _check(value: object, limits: Limits) -> None:
    level = [value]
    depth = 0
    while level:
        for item in level:
            if fault := _fault_of(item, limits):
                raise JsonRefused(fault.kind, fault.why, _path_of(item, value))
        level = [inner for item in level if isinstance(item, dict | list) for inner in _inside(item)]
        depth += 1
        if depth >= limits.depth and any(isinstance(item, dict | list) for item in level):
            raise _too_deep(limits)


def _fault_of(item: object, limits: Limits) -> _Fault | None:
    """What is wrong with a value, what is inside of it apart."""
    if isinstance(item, str):
        return None if _is_text(item) else _Fault("invalid-text", "half of a surrogate pair is no character")
    if isinstance(item, _Fault):
        return item
    if not isinstance(item, dict | list):
        return None
    if len(item) > limits.items:
        what = "items" if isinstance(item, list) else "fields"
        return _Fault("too-many-values", f"{len(item)} {what}; allowed: at most {limits.items}")
    if isinstance(item, dict) and not all(map(_is_text, item)):
        return _Fault("invalid-text", "a key holds half of a surrogate pair, which is no character")
    return None


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _inside(value: dict[str, object] | list[object]) -> Iterable[object]:
    return value if isinstance(value, list) else value.values()


def _path_of(wanted: object, root: object) -> str:
    """Where ``wanted`` was found in ``root``."""
    pending: deque[tuple[object, tuple[str | int, ...]]] = deque([(root, ())])
    while pending:
        value, path = pending.popleft()
        if value is wanted:
            return ".".join(map(shown, path))
        if isinstance(value, dict):
            pending.extend((inner, (*path, name)) for name, inner in value.items())
        elif isinstance(value, list):
            pending.extend((inner, (*path, index)) for index, inner in enumerate(value))
    return ""


def shown(step: str | int) -> str:
    """A key or an index as an error shows it: short, and in printable characters."""
    text = str(step)[:SHOWN]
    return text if text.isprintable() and _is_text(text) else ascii(text)


def _too_deep(limits: Limits) -> JsonRefused:
    return JsonRefused("too-deep", f"JSON may be nested at most {limits.depth} deep")
