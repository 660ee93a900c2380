"""A whole run, as one tells it: load the data, pretrain, transfer, evaluate, report."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cartl_core.analysis.assemble import Book, Outcome
from cartl_core.analysis.metrics import Fallen, Held, attack_result
from cartl_core.data import Loaded, Split, keep_apart, left_out, load
from cartl_core.evaluation.attack_stage import evaluate, read_outcomes
from cartl_core.evaluation.existing_network import take_in
from cartl_core.evaluation.probe_stage import probe, read_rows, read_value
from cartl_core.evaluation.probes.checks import seen_of
from cartl_core.evaluation.probes.robustness_curve import radii_of
from cartl_core.events import (
    AttackFinished,
    CandidateChosen,
    Reporter,
    ReportUpdated,
    RuntimeResolved,
    StageFinished,
    StageStarted,
    Warned,
)
from cartl_core.execution.checkpoint import DEFAULT_SECONDS, Checkpoints
from cartl_core.execution.stage_context import Workplace
from cartl_core.planning.plan import plan_of
from cartl_core.planning.stage_digests import StageKey
from cartl_core.planning.stages import GivenPlan, Measurement, Probing, StudentPlan, TeacherPlan
from cartl_core.report import Report
from cartl_core.report.checks import Checked
from cartl_core.run import runtime as machine
from cartl_core.run.progress import Meter
from cartl_core.run.publish import publish
from cartl_core.run.samples import Sample, of_source, of_target, some_of
from cartl_core.spec import ChecksSpec, CurveSpec, JobSpec, Runtime
from cartl_core.spec.existing_network import EvaluateJobSpec
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.storage.stage_cache import Shelf
from cartl_core.storage.stage_result import NETWORK, read_result
from cartl_core.storage.stop_flag import StopFlag
from cartl_core.training.pretrain import pretrain
from cartl_core.training.transfer import transfer


def run(
    spec: JobSpec | EvaluateJobSpec,
    *,
    shelf: Shelf,
    data_root: Path,
    out: Path,
    report: Reporter = lambda event: None,
    stop: StopFlag | None = None,
    runtime: Runtime | None = None,
    remarks: tuple[str, ...] = (),
    checkpoint_seconds: float = DEFAULT_SECONDS,
    download: bool = True,
    network: Path | None = None,
) -> Report:
    """Run a job from data to report; what the shelf has already is not computed again.

    Args:
        shelf: where stages are kept.
        data_root: where data sets lie, or are downloaded to.
        out: where the report, the student's weights and the outcomes are written.
        report: told of everything that happens.
        stop: may be raised from elsewhere; the run then checkpoints and raises the interruption.
        runtime: what an earlier attempt resolved; None resolves it for this machine.
        remarks: warnings for the report that are known before the start.
        checkpoint_seconds: the longest time between two checkpoints.
        download: fetch a data set that is missing.
        network: the file that an evaluation measures.

    Raises:
        SpecError: the machine cannot run this specification.
        JobError: the run failed in a way that would repeat.
        Interruption: the run was stopped, or waits for another run; it can go on later.
    """
    runtime = runtime or machine.resolve(spec)
    machine.enter(runtime)
    report(RuntimeResolved(runtime=runtime))
    loading = functools.partial(
        load, model=spec.model, data_root=data_root, seed=spec.seed, download=download
    )
    source = loading(spec.source, field="source") if isinstance(spec, JobSpec) else None
    target = loading(spec.dataset)
    if source is not None:
        source, count = keep_apart(source, target)
        if count:
            remarks = (*remarks, left_out(source, target, count))
    job = _Job(spec, source, target, runtime, shelf, report, stop or StopFlag(), remarks, checkpoint_seconds)

    if job.plan.given:
        job.take_in(job.plan.given, network)
    job.train()
    if job.plan.candidates:
        job.choose()
        job.train()
    for measured in job.plan.measured:
        job.evaluate(measured.subject, measured.key, measured.measurements, job.target.test)
    for teacher in job.plan.teachers:
        job.evaluate("teacher", teacher.key, teacher.measurements, job.source.test)
    for measured in job.plan.measured:
        job.probe(measured)
    return publish(out, job.book, job.directories, job.target.test, report)


class _Job:
    """One run under way: its plan, the stages done so far, and where they lie."""

    def __init__(
        self,
        spec: JobSpec | EvaluateJobSpec,
        source: Loaded | None,
        target: Loaded,
        runtime: Runtime,
        shelf: Shelf,
        report: Reporter,
        stop: StopFlag,
        remarks: tuple[str, ...],
        checkpoint_seconds: float,
    ) -> None:
        self.spec, self.runtime = spec, runtime
        self.shelf, self.report, self.stop, self.checkpoint_seconds = shelf, report, stop, checkpoint_seconds
        self.target = of_target(spec, target)
        self._source = of_source(spec, source) if isinstance(spec, JobSpec) and source else None
        self._plan_with = functools.partial(
            plan_of,
            spec,
            self._source.for_plan() if self._source else None,
            self.target.for_plan(),
            runtime,
        )
        self.plan = self._plan_with()
        self.book = Book(
            spec,
            runtime,
            self.plan,
            self.source.for_report(spec.source) if isinstance(spec, JobSpec) else None,
            self.target.for_report(spec.dataset),
            remarks,
        )
        self.meter = Meter(self.plan.costs, report)
        self.directories: dict[str, Path] = {}
        self._warned: set[str] = set()

    @property
    def source(self) -> Sample:
        """What teachers learn from; an evaluation has none."""
        assert self._source is not None
        return self._source

    def take_in(self, given: GivenPlan, network: Path | None) -> None:
        """The network of an evaluation: found, or taken in from its file."""
        with self._stage(given.key) as place:
            if place:
                take_in(network, given.sha256, place)
        self.book.facts[given.key.digest] = read_result(self.directories[given.key.digest])
        self._tell()

    def train(self) -> None:
        """Every teacher and student of the plan that is not there yet."""
        for teacher in self.plan.teachers:
            if teacher.key.digest not in self.book.facts:
                self.pretrain(teacher)
        for student in self.plan.trained:
            if student.key.digest not in self.book.facts:
                self.transfer(student)

    def choose(self) -> None:
        """One of the candidates, by what is measured on validation images; from here on the plan is whole."""
        assert self.target.validation is not None
        for candidate in self.plan.candidates:
            self.evaluate(candidate.subject, candidate.key, candidate.measurements, self.target.validation)
        choice = self.book.choice()
        self.plan = self.book.plan = self._plan_with(choice=choice)
        self.meter.replan(self.plan.costs)
        arm, chosen = self.plan.students[0].arm, self.book.report(complete=False).selection
        assert chosen is not None
        self.report(
            CandidateChosen(
                number=choice.chosen + 1,
                method=arm.method,
                freeze_depth=arm.freeze_depth,
                candidates=len(self.plan.candidates),
                words=chosen.words or "",
            )
        )
        self._tell()

    def pretrain(self, teacher: TeacherPlan) -> None:
        """A teacher: found, or trained."""
        with self._stage(teacher.key) as place:
            if place:
                depth = teacher.freeze_depth or 0
                pretrain(
                    teacher.pretrain,
                    depth,
                    self.spec.model,
                    self.source.data,
                    seed=self.spec.seed,
                    place=place,
                )
        self.book.facts[teacher.key.digest] = read_result(self.directories[teacher.key.digest])
        self._tell()

    def transfer(self, student: StudentPlan) -> None:
        """A student: found, or tuned from its teacher."""
        teacher = self.directories[student.teacher.key.digest] / NETWORK
        with self._stage(student.key) as place:
            if place:
                transfer(student.arm, teacher, self.target.data, seed=self.spec.seed, place=place)
        self.book.facts[student.key.digest] = read_result(self.directories[student.key.digest])
        self._tell()

    def evaluate(
        self, subject: str, network: StageKey, measurements: tuple[Measurement, ...], images: Split
    ) -> None:
        """Every measurement of one network: found, or made."""
        for measurement in measurements:
            with self._stage(measurement.key) as place:
                if place:
                    evaluate(
                        self.directories[network.digest],
                        images,
                        measurement.attack,
                        seed=self.spec.seed,
                        batch_size=self.spec.evaluate.batch_size,
                        place=place,
                    )
            found = read_outcomes(self.directories[measurement.key.digest])
            outcome = Outcome(tuple(found.held.tolist()), found.seconds)
            self.book.measured[measurement.key.digest] = outcome
            if measurement.attack is not None:
                held = Held(measurement.attack, outcome.held, outcome.seconds)
                self.report(AttackFinished(subject=subject, result=attack_result(held, self.spec.seed)))
            self._tell()

    def probe(self, student: StudentPlan | GivenPlan) -> None:
        """Every probe of one student: found, or made."""
        networks = {other.subject: self.directories[other.key.digest] for other in self.plan.measured}
        for probing in student.probings:
            with self._stage(probing.key) as place:
                if place:
                    probe(
                        probing.name,
                        probing.asked,
                        networks[student.subject],
                        some_of(self.target.test, probing.asked.images, self.spec.seed, "probe images"),
                        freeze_depth=student.freeze_depth,
                        others={subject: networks[subject] for subject in probing.others},
                        seed=self.spec.seed,
                        batch_size=self.spec.evaluate.batch_size,
                        place=place,
                    )
            self._take_down(probing)
            self._tell()

    def _take_down(self, probing: Probing) -> None:
        """What a finished probe found, and where it saw images fall."""
        digest, asked = probing.key.digest, probing.asked
        found, rows = read_value(probing.name, self.directories[digest]), read_rows(self.directories[digest])
        self.book.probed[digest] = found
        if isinstance(asked, CurveSpec):
            self.book.fallen[digest] = Fallen(asked.norm, radii_of(rows, self.target.test.index))
        if isinstance(asked, ChecksSpec) and isinstance(found, Checked):
            seen = seen_of(found, asked, rows, self.target.test.index)
            self.book.seen[digest] = seen
            self.book.fallen[digest] = seen.fallen(len(self.target.test))

    @contextmanager
    def _stage(self, key: StageKey) -> Iterator[Workplace | None]:
        """Ask the shelf; give a workplace if the stage is to be computed, None if its result was found."""
        self.stop.check()
        started = time.monotonic()
        with disk_faults(key.label):
            answer = self.shelf.place(key)
            self.directories[key.digest] = answer.directory
            try:
                if answer.finished:
                    yield None
                else:
                    place = self._workplace(key, answer.directory, answer.checkpoints)
                    yield place
                    self.shelf.stored(key, answer.directory)
                    place.checkpoints.clear()
            finally:
                self.shelf.release(key)
        seconds = time.monotonic() - started
        self.book.took(key, seconds, reused=answer.finished)
        self.meter.finish(key)
        self.report(
            StageFinished(
                stage=key.kind, label=key.label, digest=key.digest, reused=answer.finished, seconds=seconds
            )
        )

    def _workplace(self, key: StageKey, directory: Path, earlier: tuple[Path, ...]) -> Workplace:
        checkpoints = Checkpoints(
            directory,
            earlier=earlier,
            announce=lambda path, fraction: self.shelf.checkpointed(key, path, fraction),
            every_seconds=self.checkpoint_seconds,
        )
        saved = checkpoints.newest()
        self.report(
            StageStarted(
                stage=key.kind,
                label=key.label,
                digest=key.digest,
                resumed_at=saved.fraction if saved else None,
            )
        )
        self.meter.begin(saved.fraction if saved else 0.0)
        return Workplace(
            key=key,
            directory=directory,
            checkpoints=checkpoints,
            saved=saved,
            runtime=self.runtime,
            report=self.report,
            stop=self.stop,
            progress=lambda fraction: self.meter.advance(key, fraction),
        )

    def _tell(self) -> None:
        """The report as known so far, and each new warning once."""
        known = self.book.report(complete=False)
        for warning in known.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self.report(Warned(message=warning))
        self.report(ReportUpdated(report=known))
