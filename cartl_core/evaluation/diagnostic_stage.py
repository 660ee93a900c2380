"""Stage 3, beside the attacks: one diagnostic of one network, see ``cartl_core.evaluation.diagnostics``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

from cartl_core.analysis.metrics import MinimalRadii
from cartl_core.analysis.results import DiagnosticResult
from cartl_core.data import Split
from cartl_core.evaluation.attack_stage import ready_network, store_rows
from cartl_core.evaluation.batches import Rows, in_batches
from cartl_core.evaluation.checks import not_finite_count
from cartl_core.evaluation.diagnostics import DIAGNOSTICS, Subject
from cartl_core.evaluation.diagnostics.checks import observations_of
from cartl_core.evaluation.diagnostics.robustness_curve import radii_of
from cartl_core.execution.stage_context import StageContext
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.report.checks import Checked
from cartl_core.report.stored_diagnostics import in_current_form
from cartl_core.report.values import Value
from cartl_core.spec.measures.curve import CurveSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec, DiagnosticSpec
from cartl_core.storage.stage_result import OUTCOMES, read_result, write_result


def run_diagnostic(
    name: str,
    asked: DiagnosticSpec,
    network_directory: Path,
    images: Split,
    *,
    freeze_depth: int,
    others: Mapping[str, Path],
    seed: int,
    batch_size: int,
    ctx: StageContext,
) -> None:
    """Look at one stored network and write what was found to ``ctx``; goes on at the batch it had reached.

    Args:
        name: of the diagnostic, a key of ``DIAGNOSTICS``.
        images: those that the diagnostic looks at.
        freeze_depth: leading blocks that were frozen when the network was tuned.
        others: directories of the job's other students, for diagnostics that use them.
    """
    row = DIAGNOSTICS[name]
    subject = Subject(
        network=ready_network(network_directory, ctx),
        freeze_depth=freeze_depth,
        others={who: ready_network(directory, ctx) for who, directory in others.items()},
        seed=seed,
        labels=images.labels,
        images=images.images,
    )
    batch = row.batch(subject, asked)

    def compute(part: slice) -> Rows:
        x, labels = ctx.put(images.images[part]), images.labels[part].to(ctx.device)
        return batch(x, labels, images.index[part])

    rows, seconds = in_batches(len(images.labels), batch_size, compute, ctx)
    value = row.summarise(subject, asked, rows)
    store_rows({**rows, "index": images.index}, ctx)
    facts = {"n": len(images.labels), "seconds": seconds, "value": value.model_dump(mode="json")}
    write_result(ctx.directory, facts, [OUTCOMES])


def read_diagnostic(name: str, asked: DiagnosticSpec, directory: Path, index: Tensor) -> DiagnosticResult:
    """What a finished diagnostic found, with the smallest radii that broke the images.

    Args:
        index: (n,) positions in the data set of all test images.

    Raises:
        ResumeMismatch: it is not as it was written.
    """
    value, rows = read_value(name, directory), read_rows(directory)
    match asked, value:
        case CurveSpec(), _:
            return DiagnosticResult(value, MinimalRadii(asked.norm, radii_of(rows, index)))
        case ChecksSpec(), Checked():
            # Counted from the rows: earlier versions did not store the count.
            value = value.model_copy(update={"not_finite": not_finite_count(rows)})
            observations = observations_of(value, asked, rows, index)
            return DiagnosticResult(value, observations.minimal_radii(len(index)), observations)
        case _:
            return DiagnosticResult(value)


def read_value(name: str, directory: Path) -> Value:
    """What a finished diagnostic found, by this version or by one that stored sentences with it.

    Raises:
        ResumeMismatch: it is not as it was written.
    """
    return DIAGNOSTIC_FACTS[name].value.model_validate(in_current_form(name, read_result(directory)["value"]))


def read_rows(directory: Path) -> Rows:
    """What a finished diagnostic kept of each image: its tensors by name, and ``index`` (n,)."""
    read_result(directory)
    return safetensors.torch.load((directory / OUTCOMES).read_bytes())
