"""From what was typed to the body of ``POST /jobs``. The service judges it, nothing is judged here twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cartl.client import Json
from cartl.http.address import ID
from cartl.http.problems import NotUsable
from cartl_core.strict_json import read_file


class NotARequest(NotUsable):
    """What was typed cannot be made into a request."""


def build(spec: Path | None, options: Mapping[str, object]) -> Json:
    """The request in ``spec`` with ``options`` laid over it; options that are None or empty are left out."""
    given = {name: value for name, value in options.items() if value not in (None, [])}
    request = {**(read(spec) if spec else {}), **given}
    needed = ("dataset",) if request.get("kind") == "evaluate" else ("dataset", "freeze_depth")
    named = {*request, *(["dataset"] if "datasets" in request else [])}
    missing = [name for name in needed if name not in named]
    if missing:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise NotARequest(f"a job needs {flags}, or a SPEC.json that has it")
    return request


def data(text: str) -> str | Json:
    """`fashion_mnist`, or `fashion_mnist:6,7,8,9` for some of its classes."""
    name, colon, classes = text.partition(":")
    if not colon:
        return name
    try:
        return {"name": name, "classes": [int(label) for label in classes.split(",")]}
    except ValueError as error:
        raise NotARequest(f"{text}: write NAME, or NAME:0,1,2 for some classes") from error


def depth(text: str) -> int | str:
    """`3`, or what else was typed, e.g. `auto`."""
    try:
        return int(text)
    except ValueError:
        return text


def evaluation(preset: str | None, norm: str | None) -> Json | None:
    """The `evaluate` of a request; None where neither was typed."""
    given = {"preset": preset, "norm": norm}
    return {name: value for name, value in given.items() if value is not None} or None


def read(spec: Path) -> Json:
    """The JSON object in a file.

    Raises:
        NotARequest: there is none.
    """
    try:
        request = read_file(spec)
    except OSError as error:
        raise NotARequest(f"{spec} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise NotARequest(f"{spec} cannot be read as JSON: {error}") from error
    if not isinstance(request, dict):
        raise NotARequest(f"{spec} holds no JSON object")
    return request


def network(given: str | None, teacher: str | None) -> tuple[Path | None, Json]:
    """The file to upload or None, and how the request names the network: a job's or a teacher.

    Raises:
        NotARequest: both or neither are given, or ``given`` is neither a file nor an id.
    """
    if (given is None) == (teacher is None):
        raise NotARequest("name one network: the id of a job, a file, or --teacher NAME")
    if given is None:
        return None, {"teacher": teacher}
    file = file_or_id(given)
    return file, {} if file else {"job": given}


def file_or_id(given: str) -> Path | None:
    """The file that was named; None where it is an id.

    Raises:
        NotARequest: it is neither.
    """
    file = Path(given)
    try:
        if file.is_file():
            return file
    except (OSError, ValueError) as error:
        raise NotARequest(f"{given[:80]!a} is neither a file nor an id") from error
    if file.exists():
        raise NotARequest(f"{given} is no file")
    if not ID.fullmatch(given):
        raise NotARequest(f"there is no file {given[:200]}, and it is no id either")
    return None
