"""The report's schema, as `report.json` and `GET /jobs/{id}/robustness` have it."""

from __future__ import annotations

from cartl_core.report import Report
from tools.reference.markdown import docstring
from tools.reference.schema import Sections

INTRODUCTION = """\
# Report

`report.json` among the files of a job, and the answer of `GET /jobs/{id}/robustness`, which adds `text`:
the headline and the warnings in words. Accuracies are fractions with a 95 % interval, radii are in pixel
units on [0, 1].

"""


def report_page() -> str:
    """The report's fields, then a section for each object in it."""
    schema = Report.model_json_schema(mode="serialization")
    return f"{INTRODUCTION}{docstring(Report)}\n\n{Sections(schema).text(schema, level=2)}".rstrip() + "\n"
