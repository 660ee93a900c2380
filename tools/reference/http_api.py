"""The HTTP API, from the OpenAPI document that the application serves."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from api.main import TAGS, create_app
from cartl_core.report import Report
from cartl_core.spec import JobSpec
from cartl_core.spec.existing_network import EvaluateJobSpec
from jobs.settings import Settings
from tools.reference.markdown import code, table
from tools.reference.schema import Sections, anchor

Json = dict[str, Any]
INTRODUCTION = """\
# HTTP API

The running service describes itself at `/docs` and `/openapi.json`. Bodies of `POST /jobs` and `POST
/sweeps` are in [the specification](specification.md), the robustness report is in [the report](report.md).

"""
REQUESTS = {
    "JobRequest": "[request of a job](specification.md#request-of-a-job)",
    "EvaluateJobRequest": "[request of an evaluation](specification.md#request-of-an-evaluation)",
    "SweepRequest": "[request of a sweep](specification.md#request-of-a-sweep)",
    "NewDataset": "[announcement of a data set](specification.md#announcement-of-a-data-set)",
    "NewTeacher": "[announcement of a teacher](specification.md#announcement-of-a-teacher)",
}
RESOLVED = {
    "JobSpec": "[resolved specification](specification.md#resolved-specification-of-a-job)",
    "EvaluateJobSpec": "[resolved specification](specification.md#resolved-specification-of-an-evaluation)",
}


def http_api_page() -> str:
    """A chapter a tag, a section an operation, then the objects of the answers."""
    document = create_app(Settings(data_dir=Path("reference"))).openapi()
    objects = document["components"]["schemas"]
    sections = Sections({"$defs": objects}, _elsewhere(objects))
    chapters = (_chapter(tag, document, sections) for tag in TAGS)
    about = f"{document['info']['description'].strip()}\n\n"
    parts = (INTRODUCTION, about, *chapters, _errors(document, sections), _objects(document, sections))
    return "".join(parts).rstrip() + "\n"


def _elsewhere(objects: Json) -> dict[str, str]:
    """Objects that another page describes, as links to it."""
    of_reports = {"Report", *Report.model_json_schema(mode="serialization")["$defs"]}
    links = {name: _link("report.md", name) for name in of_reports & objects.keys()}
    # Where two objects have one name the document spells out the modules.
    links |= {name: _link("report.md", name) for name in objects if name.startswith("cartl_core__report__")}
    of_specs = {name for model in (JobSpec, EvaluateJobSpec) for name in model.model_json_schema()["$defs"]}
    links |= {name: _link("specification.md", name) for name in of_specs & objects.keys()}
    report = dict.fromkeys(("Report", "RobustnessReport"), "[report](report.md)")
    return links | report | REQUESTS | RESOLVED


def _link(page: str, name: str) -> str:
    title = name.rpartition("__")[2]
    return f"[{title}]({page}#{anchor(title)})"


def _chapter(tag: dict[str, str], document: Json, sections: Sections) -> str:
    operations = "".join(_operation(*found, sections) for found in _of(tag["name"], document))
    return f"## {tag['name'].capitalize()}\n\n{tag['description']}\n\n{operations}"


def _of(tag: str, document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation.get("tags", ()):
                yield path, method, operation


def _operation(path: str, method: str, operation: Json, sections: Sections) -> str:
    parameters = table(
        ("parameter", "in", "type", "range", "default", "meaning"),
        (
            (
                code(parameter["name"]),
                parameter["in"],
                sections.type_of(parameter["schema"]),
                sections.range_of(parameter["schema"]),
                "required" if parameter.get("required") else _default(parameter["schema"]),
                parameter.get("description", ""),
            )
            for parameter in operation.get("parameters", ())
        ),
    )
    body = _body(operation.get("requestBody"), sections)
    answers = table(
        ("status", "content", "meaning"),
        (
            (code(status), _content(answer.get("content", {}), sections), answer["description"])
            for status, answer in sorted(operation["responses"].items())
            if status < "400"
        ),
    )
    failures = ", ".join(code(status) for status in sorted(operation["responses"]) if status >= "400")
    errors = f"Errors: {failures}.\n\n" if failures else ""
    about = f"{operation['summary']}.\n\n{operation['description'].strip()}"
    return f"### {method.upper()} {path}\n\n{about}\n\n{parameters}{body}{answers}{errors}"


def _default(schema: Json) -> str:
    return code(schema["default"]) if schema.get("default") is not None else ""


def _body(body: Json | None, sections: Sections) -> str:
    return f"Body: {_content(body['content'], sections)}.\n\n" if body else ""


def _content(content: Json, sections: Sections) -> str:
    shown = (f"{code(kind)} {_shape(found.get('schema', {}), sections)}" for kind, found in content.items())
    return "; ".join(text.strip() for text in shown)


def _shape(schema: Json, sections: Sections) -> str:
    return "" if schema.get("type") == "string" or not schema else sections.type_of(schema)


def _errors(document: Json, sections: Sections) -> str:
    statuses = sorted({status for _, status, _ in _answers(document) if status >= "400"})
    meanings = table(
        ("status", "meaning"), ((code(status), HTTPStatus(int(status)).phrase) for status in statuses)
    )
    described = sections.objects({"properties": {"": {"$ref": "#/components/schemas/Problem"}}})
    return f"## Errors\n\nEvery error is `application/problem+json` (RFC 9457).\n\n{meanings}{described}"


def _objects(document: Json, sections: Sections) -> str:
    """The objects of the answers."""
    used = {
        f"{kind} {place}": content.get("schema", {})
        for place, (_, status, answer) in enumerate(_answers(document))
        if status < "400"
        for kind, content in answer.get("content", {}).items()
    }
    bodies = {
        f"body {place}": content["schema"]
        for place, (operation, _, _) in enumerate(_answers(document))
        for content in operation.get("requestBody", {}).get("content", {}).values()
    }
    return f"## Objects\n\n{sections.objects({'properties': bodies | used})}"


def _answers(document: Json) -> Iterator[tuple[Json, str, Json]]:
    """(operation, status, answer) of every path."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                yield operation, status, answer
