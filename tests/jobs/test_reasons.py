"""The stable reasons: one table in the code, the same in the docs, and nothing else in use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cartl_core.errors import JobError
from jobs.state import REASONS

ROOT = Path(__file__).parents[2]
LITERAL = re.compile(r"""\b(?:reason|SPEC_INVALID|TIMEOUT)["']?\s*[=:]\s*["']([a-z_]+)["']""")


def below(kind: type[JobError]) -> Iterator[type[JobError]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def written() -> set[str]:
    """Reasons that are written out anywhere in the program."""
    files = [path for package in ("cartl_core", "jobs", "worker") for path in (ROOT / package).rglob("*.py")]
    return {reason for path in files for reason in LITERAL.findall(path.read_text(encoding="utf-8"))}


def test_every_reason_in_use_is_in_the_table() -> None:
    declared = {kind.reason for kind in below(JobError)}
    in_use = declared | written() - {"failed"}  # "failed" is the base class's, which nothing raises
    assert in_use == set(REASONS)
    assert len(declared) >= 7


def test_the_docs_have_the_same_table() -> None:
    text = (ROOT / "docs" / "reference" / "states.md").read_text(encoding="utf-8")
    section = text.partition("## Reasons")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", section, re.M))
    assert rows == REASONS
