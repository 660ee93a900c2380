"""A teacher's file from order to result: taken in, measured where asked, kept as a network file of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cartl_core.catalog.layouts import TeacherRefused
from cartl_core.catalog.network_families import refused_methods
from cartl_core.errors import NetworkInvalid
from cartl_core.evaluation.teacher_test_images import of_catalog, of_pack
from cartl_core.evaluation.verify_teacher import TestSample, verify_teacher
from cartl_core.nn.files import save_network
from cartl_core.nn.import_teacher import ImportedTeacher, import_teacher
from cartl_core.spec import ModelSpec
from cartl_core.spec.methods import METHODS
from cartl_core.spec.resources.teacher import (
    FoundTeacher,
    NewTeacher,
    TeacherCheckOrder,
    TeacherCheckResult,
    Verification,
    Verify,
    teacher_digest,
)
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stage_result import NETWORK
from cartl_core.storage.stop_flag import StopFlag

TAKEN_IN = 0.1
"""Share of the work that is done once the network is there."""


@dataclass(frozen=True)
class TestSource:
    """Where test images come from: a pack of a person's own data set, or the folder of the catalog's."""

    data_root: Path
    pack: Path | None = None
    download: bool = True

    def sample(self, verify: Verify, model: ModelSpec, seed: int) -> TestSample:
        """Those that ``verify`` asks for, as ``model`` sees them."""
        if self.pack is not None:
            return of_pack(verify, model, self.pack, seed=seed)
        return of_catalog(verify, model, data_root=self.data_root, download=self.download, seed=seed)


def check_teacher(
    order: TeacherCheckOrder,
    content: Path,
    out: Path,
    source: TestSource,
    *,
    device: str = "cpu",
    progress: Callable[[float], None] = lambda fraction: None,
    stop: StopFlag | None = None,
) -> TeacherCheckResult:
    """Take ``content`` in, and write ``network.safetensors`` to ``out`` where it is not rejected.

    Args:
        content: the file as it was uploaded.
        out: a folder that is there.
        source: of the images of ``order.new.verify``.
        device: where it is measured.
        progress: told of the fraction that is done.

    Raises:
        NetworkInvalid: ``content`` is not the file that the order names.
        DatasetMissing, DatasetInvalid: the images to verify on cannot be had.
        Interruption: the run was asked to stop.
        OSError: ``content`` cannot be read.
    """
    new, stop = order.new, stop or StopFlag()
    progress(0.0)
    with content.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != order.sha256:
            raise NetworkInvalid(f"{content.name} is not the file of the order: its SHA-256 is another")
    try:
        teacher = import_teacher(content, new)
        stop.check()
        progress(TAKEN_IN)
        verification: Verification | None = None
        if new.verify is not None:
            verification = verify_teacher(
                teacher.network.to(device),
                source.sample(new.verify, teacher.network.arch.model, order.seed),
                trained_at=new.trained_at,
                published=new.published,
                seed=order.seed,
                progress=lambda done: progress(TAKEN_IN + (1 - TAKEN_IN) * done),
                stop=stop,
            )
    except TeacherRefused as refused:
        return TeacherCheckResult(state="rejected", reason=refused.reason, message=refused.message)
    with disk_faults("the teacher"):
        save_network(out / NETWORK, teacher.network)
    progress(1.0)
    return TeacherCheckResult(
        state="verified" if verification else "unverified",
        message=None if verification else _why_unverified(new),
        found=_found(teacher, order.sha256, verification),
    )


def _why_unverified(new: NewTeacher) -> str:
    if new.published is not None:
        return "published figures are not compared without verify.dataset: nothing was measured"
    return "nothing was measured: verify.dataset names none"


def _found(teacher: ImportedTeacher, sha256: str, verification: Verification | None) -> FoundTeacher:
    architecture = teacher.network.arch
    refused = refused_methods(architecture.model.name)
    return FoundTeacher(
        digest=teacher_digest(sha256, teacher.layout, architecture, teacher.normalisation),
        layout=teacher.layout,
        architecture=architecture,
        normalisation=teacher.normalisation,
        blocks=teacher.blocks,
        methods=tuple(name for name in METHODS if name not in refused),
        refused=refused,
        prefix=teacher.prefix,
        normalisation_tensors=teacher.normalisation_tensors,
        verification=verification,
    )
