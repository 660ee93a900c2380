"""What may be posted and what it resolves to, from the pydantic models."""

from __future__ import annotations

from pydantic import BaseModel

from cartl_core.spec import JobRequest, JobSpec
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec
from cartl_core.spec.resources.dataset import NewDataset
from cartl_core.spec.resources.teacher import NewTeacher
from cartl_core.spec.sweep import SweepRequest
from tools.reference.markdown import docstring
from tools.reference.schema import Sections

INTRODUCTION = """\
# Specification

A *request* is what a person writes: `POST /jobs`, `POST /sweeps`, or the file of `python -m cartl_core
run`. What it leaves open comes from the preset and the [catalog](catalog.md), never from the machine. The
result is a *resolved specification*, in which nothing is left open. It is stored with the job and shown in
the answer.

Radii and steps are in pixel units on [0, 1]. Fractions are between 0 and 1. A field that is not listed is
refused. Where a request has `null` as default, the preset decides.
"""
PARTS: dict[str, type[BaseModel]] = {
    "Request of a job": JobRequest,
    "Request of an evaluation": EvaluateJobRequest,
    "Request of a sweep": SweepRequest,
    "Announcement of a data set": NewDataset,
    "Announcement of a teacher": NewTeacher,
    "Resolved specification of a job": JobSpec,
    "Resolved specification of an evaluation": EvaluateJobSpec,
}


def specification_page() -> str:
    """A chapter for each kind of request and each resolved specification."""
    return INTRODUCTION + "".join(_chapter(title, model) for title, model in PARTS.items())


def _chapter(title: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    return f"\n## {title}\n\n{docstring(model)}\n\n{Sections(schema).text(schema)}".rstrip() + "\n"
