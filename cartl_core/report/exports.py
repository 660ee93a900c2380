"""The student's exports as values of the report: what was measured of each, and which were withheld."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cartl_core.report.values import Interval, Value
from cartl_core.spec.exports import ExportFormat

WithheldReason = Literal[
    "logits_differ", "answers_differ", "not_foldable", "too_large", "timed_out", "ended", "failed"
]


class MeasuredExport(Value):
    """An export beside the network itself, on test images and on adversarial ones."""

    n: int = Field(
        ge=1, description="Test images; of as many an attack on the network made adversarial ones."
    )
    logits_max_difference: float = Field(ge=0, description="From the network's, over all of those images.")
    robust_accuracy: Interval | None = Field(
        description="On the adversarial images, which were made for the network: of the export, and the same "
        "for the network. Null where the evaluation has no attack."
    )


class Export(Value):
    """One form in which the student came back."""

    name: str = Field(description="Of the artifact.")
    format: ExportFormat
    measured: MeasuredExport | None = Field(
        default=None, description="Null where nothing was measured: of texts, and of what was withheld."
    )
    withheld: WithheldReason | None = Field(
        default=None,
        description="Why there is no such artifact: its logits or its answers are not the network's; an "
        "average cannot be folded into weights; it was larger than the format, took too long, ended its "
        "process or failed. The job's event `export_withheld` says more.",
    )
