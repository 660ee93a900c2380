"""The forms in which a job gives its student back."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from cartl_core.spec.base import ARRAY, refusal

ExportFormat = Literal["safetensors", "layout", "pt2", "onnx", "card", "robustbench"]
ALL_EXPORTS: tuple[ExportFormat, ...] = get_args(ExportFormat)


def _distinct(formats: tuple[ExportFormat, ...]) -> tuple[ExportFormat, ...]:
    if len(set(formats)) < len(formats):
        raise refusal("a format is there twice", "each at most once")
    return formats


Exports = Annotated[
    tuple[ExportFormat, ...],
    ARRAY,
    Field(
        max_length=len(ALL_EXPORTS),
        description="Forms in which the student comes back: `safetensors` (our own file, read back), "
        "`layout` (the state dict of the class that the teacher came from), `pt2`, `onnx`, `card` (a model "
        "card) and `robustbench` (model info). `student.safetensors` itself is always written.",
    ),
    AfterValidator(_distinct),
]
