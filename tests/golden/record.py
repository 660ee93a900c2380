"""Write the golden data anew: ``python -m tests.golden.record [PART ...]`` (all parts if none is named).

Allowed only together with what says that old data no longer hold:

- ``losses``, ``outcomes``: the ``RECIPE_VERSION`` of that stage was raised, or that diagnostic's ``recipe``;
- ``report``: the same, or ``REPORT_SCHEMA`` was raised;
- ``pages``: the words or the looks of a report are meant to change; the stored reports stay as they are;
- ``schemas``, ``fields``: a schema version was raised, or a field was added that old data may lack;
- ``defaults``: a field was added; one whose default has changed is refused;
- ``recipes``: after ``losses`` or ``outcomes``; other data of the same recipe are refused;
- ``network``, ``data-directory``: never, but to begin again: later versions must read what an earlier one
  left, so a new data directory is kept *beside* the old ones.

A failing golden test is first of all a mistake in the change: undo its cause. What is recorded belongs into
the same commit as the raised version, with the reason in its message. Tests cannot write: only this script
does.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.golden import (
    data_directory,
    digests,
    fixed_network,
    losses,
    outcomes,
    reports,
    schemas,
    stored,
)
from tests.golden.files import DATA, read, read_packed

WIDTH = 110
"""What fits into a line of so many letters stays in one."""


def write(name: str, value: Any) -> None:
    """JSON with sorted keys, indented by 1."""
    # Through JSON once, so that what is written is what a test compares.
    text = lines(json.loads(json.dumps(value)), 0)
    (DATA / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def lines(value: Any, indent: int) -> str:
    """``value`` as JSON; short objects and lists in one line, numbers as many to a line as fit."""
    short = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if len(short) + indent <= WIDTH or not isinstance(value, dict | list) or not value:
        return short
    start = " " * (indent + 1)
    if isinstance(value, dict):
        parts = [f"{start}{json.dumps(key)}: {lines(value[key], indent + 1)}" for key in sorted(value)]
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    if all(isinstance(part, int | float) or part is None for part in value):
        return f"[\n{_filled([json.dumps(part) for part in value], start)}\n{' ' * indent}]"
    parts = [f"{start}{lines(part, indent + 1)}" for part in value]
    return "[\n" + ",\n".join(parts) + "\n" + " " * indent + "]"


def _filled(words: list[str], start: str) -> str:
    rows, row = [], start + words[0]
    for word in words[1:]:
        if len(row) + len(word) + 2 > WIDTH:
            rows.append(f"{row},")
            row = start + word
        else:
            row += f", {word}"
    return "\n".join([*rows, row])


def _losses(folder: Path) -> None:
    write("losses", losses.compute(folder))


def _network(folder: Path) -> None:
    fixed_network.FILE.write_bytes(fixed_network.train(folder))


def _outcomes(folder: Path) -> None:
    network = fixed_network.fixed()
    copies = [fixed_network.shaken(network, outcomes.SHAKEN, number) for number in range(outcomes.COPIES)]
    write("outcomes", outcomes.record(network, copies, fixed_network.digits(folder)))


def _report(folder: Path) -> None:
    for name, (report, written) in reports.make(folder).items():
        write(f"report-{name}", {"report": report, "files": written})
    _pages(folder)


def _pages(_: Path) -> None:
    for name in reports.NAMES:
        stored = read(f"report-{name}")["report"]
        (DATA / f"report-{name}.md").write_bytes(reports.as_markdown(stored).encode())
        (DATA / f"report-{name}.html").write_bytes(reports.one_tag_a_line(reports.as_html(stored)).encode())


def _schemas(folder: Path) -> None:
    """What holds a report stays as it was before version 2: ``schemas-2`` has it since."""
    before = {name: read_packed("schemas")[name] for name in schemas.SCHEMA_2}
    text = json.dumps(schemas.collect(folder) | before, indent=1, sort_keys=True)
    (DATA / "schemas.json.xz").write_bytes(lzma.compress(f"{text}\n".encode(), preset=9))


def _schemas_2(folder: Path) -> None:
    found = schemas.collect(folder)
    text = json.dumps({name: found[name] for name in schemas.SCHEMA_2}, indent=1, sort_keys=True)
    (DATA / "schemas-2.json.xz").write_bytes(lzma.compress(f"{text}\n".encode(), preset=9))


def _fields(_: Path) -> None:
    write("fields", {model.__name__: stored.fields(model) for model in stored.MODELS})


def _defaults(_: Path) -> None:
    write("defaults", digests.with_new_defaults(_kept("defaults")))


def _recipes(_: Path) -> None:
    write("recipes", digests.listed(_kept("recipes")))


def _kept(name: str) -> Any:
    return read(name) if (DATA / f"{name}.json").exists() else {}


def _data_directory(folder: Path) -> None:
    data_directory.make(folder / "data")
    data_directory.pack(folder / "data", data_directory.ARCHIVE)


PARTS: dict[str, Callable[[Path], None]] = {
    "network": _network,
    "losses": _losses,
    "outcomes": _outcomes,
    "report": _report,
    "pages": _pages,
    "schemas": _schemas,
    "schemas-2": _schemas_2,
    "fields": _fields,
    "defaults": _defaults,
    "recipes": _recipes,
    "data-directory": _data_directory,
}


def main() -> int:
    """Record what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.record", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    asked = parser.parse_args().parts or list(PARTS)
    torch.set_num_threads(1)
    for part in asked:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](Path(folder))
        sys.stdout.write(f"{part} is written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
