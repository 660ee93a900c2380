"""Who computes each kind of stage, and who reads its result back: one row a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from cartl_core.analysis.results import (
    AttackOutcomes,
    DiagnosticResult,
    ImportedNetwork,
    StageResult,
    StudentResult,
    TeacherResult,
)
from cartl_core.data import Split
from cartl_core.errors import ResumeMismatch
from cartl_core.evaluation.attack_stage import evaluate, read_outcomes
from cartl_core.evaluation.diagnostic_stage import read_diagnostic, run_diagnostic
from cartl_core.evaluation.existing_network import import_network
from cartl_core.execution.stage_context import StageContext
from cartl_core.planning.stages import (
    Attacking,
    Continuing,
    DataRef,
    Diagnosing,
    Importing,
    Pretraining,
    Transferring,
    Work,
)
from cartl_core.run.samples import Sample, some_of
from cartl_core.spec import ModelSpec
from cartl_core.storage.stage_result import NETWORK, read_result
from cartl_core.training.pretrain import continue_pretraining, pretrain
from cartl_core.training.transfer import transfer


@dataclass(frozen=True)
class Inputs:
    """What the stages of one run read.

    Attributes:
        samples: the data by role, ``source`` and ``target``; an evaluation has no source, and may have
            further targets.
        file: the network that an evaluation measures, or the teacher that a transfer is given.
        directories: results of finished stages, by digest.
    """

    model: ModelSpec
    seed: int
    batch_size: int
    samples: Mapping[str, Sample]
    file: Path | None = None
    directories: dict[str, Path] = field(default_factory=dict)

    def images(self, data: DataRef) -> Split:
        """The images that a measurement is of."""
        sample = self.samples[data.role]
        return sample.test if data.split == "test" else sample.compared


W = TypeVar("W", bound=Work)


@dataclass(frozen=True)
class Runner(Generic[W]):
    """``compute`` writes a stage's result to its directory, ``read`` gives it back as a value."""

    compute: Callable[[W, Inputs, StageContext], None]
    read: Callable[[W, Inputs, Path], StageResult]


def _pretrain(work: Pretraining, inputs: Inputs, ctx: StageContext) -> None:
    source, depth = inputs.samples["source"].data, work.freeze_depth or 0
    pretrain(work.pretrain, depth, inputs.model, source, seed=inputs.seed, ctx=ctx)


def _continue(work: Continuing, inputs: Inputs, ctx: StageContext) -> None:
    start = inputs.directories[work.start.digest] / NETWORK
    source, depth = inputs.samples["source"].data, work.freeze_depth or 0
    continue_pretraining(work.pretrain, depth, start, source, seed=inputs.seed, ctx=ctx)


def _transfer(work: Transferring, inputs: Inputs, ctx: StageContext) -> None:
    teacher = inputs.directories[work.teacher.digest] / NETWORK
    transfer(work.arm, teacher, inputs.samples["target"].data, seed=inputs.seed, ctx=ctx)


def _import(work: Importing, inputs: Inputs, ctx: StageContext) -> None:
    import_network(inputs.file, work.sha256, ctx)


def _attack(work: Attacking, inputs: Inputs, ctx: StageContext) -> None:
    evaluate(
        inputs.directories[work.network.digest],
        inputs.images(work.data),
        work.attack,
        seed=inputs.seed,
        batch_size=inputs.batch_size,
        ctx=ctx,
    )


def _diagnose(work: Diagnosing, inputs: Inputs, ctx: StageContext) -> None:
    images = inputs.images(work.data)
    run_diagnostic(
        work.name,
        work.asked,
        inputs.directories[work.network.digest],
        some_of(images, work.asked.images, inputs.seed, "probe images"),
        freeze_depth=work.freeze_depth,
        others={subject: inputs.directories[other.digest] for subject, other in work.others},
        seed=inputs.seed,
        batch_size=inputs.batch_size,
        ctx=ctx,
    )


def _read_teacher(work: Pretraining | Continuing, inputs: Inputs, directory: Path) -> TeacherResult:
    return _parsed(TeacherResult, directory)


def _read_student(work: Transferring, inputs: Inputs, directory: Path) -> StudentResult:
    return _parsed(StudentResult, directory)


R = TypeVar("R", bound=TeacherResult)


def _parsed(kind: type[R], directory: Path) -> R:
    try:
        return kind.model_validate(read_result(directory))
    except ValidationError as error:
        raise ResumeMismatch(f"a finished stage was not written by this version: {error}") from error


def _read_import(work: Importing, inputs: Inputs, directory: Path) -> ImportedNetwork:
    return ImportedNetwork(read_result(directory)["sha256"])


def _read_attack(work: Attacking, inputs: Inputs, directory: Path) -> AttackOutcomes:
    found = read_outcomes(directory)
    return AttackOutcomes(
        robust=tuple(found.robust.tolist()),
        seconds=found.seconds,
        not_finite=frozenset(found.not_finite.nonzero().flatten().tolist()),
        answers=None if found.answers is None else tuple(found.answers.tolist()),
    )


def _read_diagnostic(work: Diagnosing, inputs: Inputs, directory: Path) -> DiagnosticResult:
    return read_diagnostic(work.name, work.asked, directory, inputs.images(work.data).index)


RUNNERS: dict[type[Work], Runner[Any]] = {
    Pretraining: Runner(_pretrain, _read_teacher),
    Continuing: Runner(_continue, _read_teacher),
    Transferring: Runner(_transfer, _read_student),
    Importing: Runner(_import, _read_import),
    Attacking: Runner(_attack, _read_attack),
    Diagnosing: Runner(_diagnose, _read_diagnostic),
}
