"""The end of a run: the complete report and the files for the person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import safetensors.torch
import torch

from cartl_core.analysis.metrics import AttackRecord
from cartl_core.data import Split
from cartl_core.evaluation.diagnostic_stage import read_rows
from cartl_core.evaluation.diagnostics.worst_images import shown
from cartl_core.events import ArtifactWritten, Reporter
from cartl_core.planning.estimates.work import EXPORT, PUBLISH
from cartl_core.planning.plan import TransferPlan
from cartl_core.render import html, markdown
from cartl_core.render.cards import model_card, robustbench
from cartl_core.render.evidence import document
from cartl_core.render.figure import Pixels
from cartl_core.report import Report
from cartl_core.report.exports import Export
from cartl_core.report.gallery import Gallery
from cartl_core.run.active_run import ActiveRun
from cartl_core.run.exports.export_student import export_student
from cartl_core.run.stage_runner import Services
from cartl_core.spec import GallerySpec, JobSpec
from cartl_core.storage.atomic_write import copy_whole, write_whole
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stage_result import NETWORK

Exporter = Callable[[Path, ActiveRun, Path, Services], tuple[Export, ...]]
"""Folder, run, the student's network file, services: as ``export_student`` takes them."""


def publish(
    out: Path, run: ActiveRun, services: Services, exporter: Exporter | None = export_student
) -> Report:
    """Write everything for the person below ``out``, tell of it, and give the complete report.

    Args:
        run: its stages are all done.
        exporter: None writes the student's weights alone, and no model card.
    """
    final, report = run.known(complete=True), run.report
    run.after_stages(
        EXPORT if exporter and isinstance(final.spec, JobSpec) and final.spec.exports else PUBLISH
    )
    if isinstance(run.plan, TransferPlan):
        final = _give_back(
            out, run, run.directory(run.plan.students[0].stage) / NETWORK, services, final, exporter
        )
    run.after_stages(PUBLISH)
    for network in run.plan.measured:
        clean = run.state.clean(network.measurements)
        rows = {
            stage.work.name: read_rows(run.directory(stage))
            for stage in network.diagnostics
            if not isinstance(stage.work.asked, GallerySpec)
        }
        attacks = run.state.attacks(network.measurements)
        test = run.inputs.images(network.measurements[0].work.data)
        write_outcomes(out, network.subject, test, clean or (), attacks, rows, report)
    write_report(out, final, _worst_images(out, final, run), report)
    run.after_stages(None)
    run.tell(final)
    return final


def _worst_images(out: Path, final: Report, run: ActiveRun) -> Pixels | None:
    """The pictures of the job's own student, written beside the report."""
    gallery = final.student.figures.gallery if final.student and final.student.figures else None
    if gallery is None:
        return None
    (stage,) = (own for own in run.plan.measured[0].diagnostics if isinstance(own.work.asked, GallerySpec))
    return write_gallery(out, gallery, read_rows(run.directory(stage)), run.report)


def _give_back(
    out: Path, run: ActiveRun, student: Path, services: Services, final: Report, exporter: Exporter | None
) -> Report:
    """The student in every form that is asked for; the report with what was measured of them."""
    write_student(out, student, run.report)
    if exporter is None:
        return final
    exports = exporter(out, run, student, services)
    return write_cards(out, final.model_copy(update={"exports": exports}), run.report)


def write_cards(out: Path, final: Report, report: Reporter) -> Report:
    """``model-card.md`` and ``robustbench.json``, where they are asked for; the report with them among its
    exports."""
    asked = final.spec.exports if isinstance(final.spec, JobSpec) else ()
    made: list[Export] = []
    if "robustbench" in asked:
        made.append(Export(name="robustbench.json", format="robustbench"))
        content = robustbench.render(final)
        _write(out, made[-1].name, content.encode(), "application/json", report)
    if "card" in asked:
        made.append(Export(name="model-card.md", format="card"))
        content = model_card.render(final)
        _write(out, made[-1].name, content.encode(), "text/markdown; charset=utf-8", report)
    return final.model_copy(update={"exports": (*final.exports, *made)})


SAFETENSORS = "application/octet-stream"


def write_report(out: Path, final: Report, pixels: Pixels | None, report: Reporter) -> None:
    """``report.json``, ``report.md``, ``evidence.json``, each figure, and ``report.html`` with them inside.

    Args:
        pixels: of the report's gallery, if it has one.
    """
    # Imported at the end of a run: the import of Matplotlib takes a second, and many runs end before.
    from cartl_core.render.plots import draw

    _write(out, "report.json", final.model_dump_json(indent=1).encode(), "application/json", report)
    _write(out, "report.md", markdown.render(final).encode(), "text/markdown; charset=utf-8", report)
    evidence = document(final)
    if evidence is not None:
        _write(out, "evidence.json", evidence.model_dump_json(indent=1).encode(), "application/json", report)
    pictures = {picture.name: picture for picture in draw(final, pixels)}
    for picture in pictures.values():
        _write(out, picture.name, picture.content, picture.media_type, report)
    _write(out, "report.html", html.render(final, pictures).encode(), "text/html; charset=utf-8", report)


def write_student(out: Path, network: Path, report: Reporter) -> None:
    """``student.safetensors``: the very bytes that were evaluated."""
    name = "student.safetensors"
    with disk_faults(name):
        copy_whole(network, out / name)
    report(ArtifactWritten(name=name, path=name, media_type=SAFETENSORS))


def write_gallery(out: Path, gallery: Gallery, rows: dict[str, torch.Tensor], report: Reporter) -> Pixels:
    """``worst-images.safetensors``: the images before and under attack, as the network sees them.

    ``clean`` and ``adversarial`` are (k, C, H, W) float32 in [0, 1], ``index``, ``label`` and ``wrong_label``
    (k,) int64, in the order of the report's gallery.
    """
    images = {name: tensor.contiguous() for name, tensor in shown(rows, gallery).items()}
    facts = {
        name: torch.tensor([getattr(image, name) for image in gallery.images], dtype=torch.int64)
        for name in ("index", "label", "wrong_label")
    }
    _write(out, "worst-images.safetensors", safetensors.torch.save({**images, **facts}), SAFETENSORS, report)
    return Pixels(images["clean"].numpy(), images["adversarial"].numpy())


def write_outcomes(
    out: Path,
    subject: str,
    images: Split,
    clean: Sequence[bool],
    attacks: Sequence[AttackRecord],
    diagnostics: Mapping[str, Mapping[str, torch.Tensor]],
    report: Reporter,
) -> None:
    """``outcomes-SUBJECT.safetensors``: per test image its position, label, and whether it held.

    What a diagnostic kept of each image is there as ``PROBE.ROW``, with the positions of its images in
    ``PROBE.index``: the radii of a curve in ``curve.radius``, infinite where an image stood.
    """
    tensors = {
        "index": images.index.contiguous(),
        "label": images.labels.contiguous(),
        "clean": torch.tensor(clean, dtype=torch.bool),
        **{
            f"robust.{record.attack.label}": torch.tensor(record.robust, dtype=torch.bool)
            for record in attacks
        },
        **{
            f"{diagnostic}.{row}": rows[row].contiguous()
            for diagnostic, rows in diagnostics.items()
            for row in rows
        },
    }
    _write(out, f"outcomes-{subject}.safetensors", safetensors.torch.save(tensors), SAFETENSORS, report)


def _write(out: Path, name: str, content: bytes, media_type: str, report: Reporter) -> None:
    with disk_faults(name):
        write_whole(out / name, content)
    report(ArtifactWritten(name=name, path=name, media_type=media_type))
