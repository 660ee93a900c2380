"""The student's exports in words: one row each, the same in every face of a report."""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.render import numbers
from cartl_core.report import Export, Report
from cartl_core.report.exports import WithheldReason
from cartl_core.spec.exports import ExportFormat

FORMATS: dict[ExportFormat, str] = {
    "safetensors": "our own network file",
    "layout": "state dict in another library's layout",
    "pt2": "torch.export program",
    "onnx": "ONNX graph",
    "card": "model card",
    "robustbench": "RobustBench model info",
}
REASONS: dict[WithheldReason, str] = {
    "logits_differ": "its logits are not the network's",
    "answers_differ": "its answers are not the network's",
    "not_foldable": "an average cannot be folded into weights",
    "too_large": "larger than the format allows",
    "timed_out": "it took too long",
    "ended": "its process ended",
    "failed": "it could not be made",
}


@dataclass(frozen=True)
class ExportRow:
    """``link`` is None where there is no such file."""

    name: str
    link: str | None
    format: str
    difference: str
    robust: str
    n: str


COLUMNS = ("file", "what it is", "largest difference of a logit", "robust accuracy, the same images", "n")
NOTE = (
    "Each was loaded again and measured beside the network, on test images and on adversarial images that an "
    "attack made for the network."
)


def rows(report: Report) -> tuple[ExportRow, ...]:
    """In the report's order."""
    return tuple(_row(export) for export in report.exports)


def _row(export: Export) -> ExportRow:
    what = FORMATS[export.format]
    if export.withheld:
        return ExportRow(export.name, None, what, f"withheld: {REASONS[export.withheld]}", "\u2013", "\u2013")
    found = export.measured
    if found is None:
        return ExportRow(export.name, export.name, what, "\u2013", "\u2013", "\u2013")
    robust = found.robust_accuracy
    return ExportRow(
        export.name,
        export.name,
        what,
        f"{found.logits_max_difference:.1e}",
        numbers.interval(robust) if robust else "\u2013",
        numbers.count(found.n),
    )
