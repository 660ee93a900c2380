"""A report holds numbers, codes and names: no field of it is a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cartl_core.render.schema_1 import read_report_text
from cartl_core.report import Report
from tests.fixtures.choosing import choosing_report
from tests.fixtures.reports import full_report

MOST_WORDS = 8
# Names as people gave them, the names of data sets, and the source of the corruptions' constants.
NAMES = re.compile(r"/spec/.*|.*/figures/data|.*/figures/per_class/\*/name|.*/corruptions/source")


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from strings(part, f"{path}/{name}")
    elif isinstance(value, list):
        for part in value:
            yield from strings(part, f"{path}/*")
    elif isinstance(value, str):
        yield path, value


SCHEMA_1 = Path(__file__).parents[1] / "render" / "data" / "schema_1"
CONVERTED = [read_report_text(path.read_text()) for path in sorted(SCHEMA_1.glob("*.json"))]


@pytest.mark.parametrize("report", [full_report(), choosing_report("broken"), *CONVERTED])
def test_no_field_of_a_report_is_a_sentence(report: Report) -> None:
    found = [
        (path, text)
        for path, text in strings(report.model_dump(mode="json"))
        if len(text.split()) > MOST_WORDS and not NAMES.fullmatch(path)
    ]
    assert found == []
