"""The model card: front matter as Hugging Face reads it, then what one must know before using the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from jinja2 import Template

from cartl_core.catalog import facts_of
from cartl_core.render import numbers, phrases, sentences
from cartl_core.render.templating import markdown_environment
from cartl_core.report import Figures, Interval, Report
from cartl_core.spec import DataSpec, JobSpec

TAGS = ("image-classification", "adversarial-robustness", "transfer-learning", "cartl")
UNDECLARED = "undeclared"


@dataclass(frozen=True)
class Licence:
    """What the owner of something that the weights were made of allows; None where nobody said it."""

    role: str
    name: str
    declared: str | None


@dataclass(frozen=True)
class Row:
    """A proportion on the test images, by its name in the card."""

    name: str
    type: str
    figure: Interval


def render(report: Report) -> str:
    """The card of the job's own student, as Markdown that ends with a newline.

    Args:
        report: complete, of a transfer.
    """
    spec, student = report.spec, report.student
    assert isinstance(spec, JobSpec)
    figures = student.figures if student else None
    licences = tuple(_licences(spec))
    return _template().render(
        report=report,
        spec=spec,
        student=student,
        figures=figures,
        name=spec.name or f"{spec.model.name} on {facts_of(spec.dataset).title}",
        tags=TAGS,
        rows=_rows(figures) if figures else (),
        licences=licences,
        license_name=", ".join(f"{one.declared} ({one.role})" for one in licences if one.declared)
        or UNDECLARED,
        files={export.format: export.name for export in report.exports if export.withheld is None},
        withheld=[export for export in report.exports if export.withheld is not None],
        warnings=sentences.read_first(report),
        target=phrases.data(spec.dataset),
        source=phrases.data(spec.source) if spec.source else None,
        method=phrases.arm(student) if student else "",
    )


def _licences(spec: JobSpec) -> Iterator[Licence]:
    """Of the images and the teacher that the weights come from."""
    yield _of_images("data set", spec.dataset)
    if spec.teacher is not None:
        yield Licence("teacher", spec.teacher.name, spec.teacher.licence)
    if spec.source is not None:
        yield _of_images("source", spec.source)


def _of_images(role: str, data: DataSpec) -> Licence:
    return Licence(role, facts_of(data).title, data.facts.licence if data.facts else None)


def _rows(figures: Figures) -> tuple[Row, ...]:
    """Without an attack, under each, and under all of them together."""
    found = [Row("accuracy without an attack", "accuracy", figures.clean)]
    found += [
        Row(
            f"robust accuracy, {attack.label} ({attack.norm}, eps {numbers.radius(attack.eps)})",
            "robust_accuracy",
            attack.robust,
        )
        for attack in figures.attacks
    ]
    if figures.worst_case:
        found.append(Row("robust accuracy, worst case of all", "robust_accuracy", figures.worst_case))
    return tuple(found)


@cache
def _template() -> Template:
    made = markdown_environment(__package__)
    made.filters["interval"] = numbers.interval
    made.filters["attack"] = phrases.attack
    return made.get_template("model-card.md.j2")
