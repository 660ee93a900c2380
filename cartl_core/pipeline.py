"""A whole run, as one tells it: load the data, pretrain, transfer, evaluate, report."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cartl_core import runtime as machine
from cartl_core.book import Book, Outcome
from cartl_core.checkpoint import DEFAULT_SECONDS, Checkpoints
from cartl_core.data import Loaded, Split, load, refuse_overlap
from cartl_core.data.sampling import stratified
from cartl_core.evaluate_spec import EvaluateJobSpec
from cartl_core.events import (
    AttackFinished,
    Reporter,
    ReportUpdated,
    RuntimeResolved,
    StageFinished,
    StageStarted,
    Warned,
)
from cartl_core.faults import disk_faults
from cartl_core.figures import Fallen, Held, TestSet, attack_result
from cartl_core.outputs import write_gallery, write_outcomes, write_report, write_student
from cartl_core.plan import GivenPlan, Measurement, Probing, StudentPlan, TeacherPlan, TestData, plan_of
from cartl_core.plots import Pixels
from cartl_core.probes.checks import seen_of
from cartl_core.probes.curve import radii_of
from cartl_core.progress import Meter
from cartl_core.random import generator
from cartl_core.render import words
from cartl_core.report import Report
from cartl_core.report_checks import Checked
from cartl_core.results import read_result
from cartl_core.shelf import Shelf
from cartl_core.spec import ChecksSpec, CurveSpec, GallerySpec, JobSpec, Runtime
from cartl_core.stage_keys import StageKey
from cartl_core.stages import NETWORK
from cartl_core.stages.evaluate import evaluate, read_outcomes
from cartl_core.stages.given import take_in
from cartl_core.stages.pretrain import pretrain
from cartl_core.stages.probe import probe, read_rows, read_value
from cartl_core.stages.transfer import transfer
from cartl_core.stopping import StopFlag
from cartl_core.workplace import Workplace


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
        refuse_overlap(source, target)
    job = _Job(spec, source, target, runtime, shelf, report, stop or StopFlag(), remarks, checkpoint_seconds)

    if job.plan.given:
        job.take_in(job.plan.given, network)
    for teacher in job.plan.teachers:
        job.pretrain(teacher)
    for student in job.plan.students:
        job.transfer(student)
    for measured in job.plan.measured:
        job.evaluate(measured.subject, measured.key, measured.measurements, job.target_test)
    for teacher in job.plan.teachers:
        job.evaluate("teacher", teacher.key, teacher.measurements, job.source_test)
    for measured in job.plan.measured:
        job.probe(measured)
    return job.publish(out)


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
        self.spec, self._source, self.target, self.runtime = spec, source, target, runtime
        self.shelf, self.report, self.stop, self.checkpoint_seconds = shelf, report, stop, checkpoint_seconds
        limits = spec.evaluate
        self.target_test = _some_of(target.test, limits.test_limit, spec.seed, "target test")
        tested: TestSet | None = None
        facts: TestData | None = None
        if isinstance(spec, JobSpec):
            self.source_test = _some_of(self.source.test, limits.source_test_limit, spec.seed, "source test")
            tested = _test_set(words.data(spec.source), self.source, self.source_test)
            facts = _facts(self.source, self.source_test)
        self.plan = plan_of(spec, facts, _facts(target, self.target_test), runtime)
        target_set = _test_set(words.data(spec.dataset), target, self.target_test)
        self.book = Book(spec, runtime, self.plan, tested, target_set, remarks)
        self.meter = Meter(self.plan.costs, report)
        self.directories: dict[str, Path] = {}
        self._warned: set[str] = set()

    @property
    def source(self) -> Loaded:
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

    def pretrain(self, teacher: TeacherPlan) -> None:
        """A teacher: found, or trained."""
        with self._stage(teacher.key) as place:
            if place:
                depth = teacher.freeze_depth or 0
                pretrain(
                    teacher.pretrain, depth, self.spec.model, self.source, seed=self.spec.seed, place=place
                )
        self.book.facts[teacher.key.digest] = read_result(self.directories[teacher.key.digest])
        self._tell()

    def transfer(self, student: StudentPlan) -> None:
        """A student: found, or tuned from its teacher."""
        teacher = self.directories[student.teacher.key.digest] / NETWORK
        with self._stage(student.key) as place:
            if place:
                transfer(student.arm, teacher, self.target, seed=self.spec.seed, place=place)
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
                        _some_of(self.target_test, probing.asked.images, self.spec.seed, "probe images"),
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
            self.book.fallen[digest] = Fallen(asked.norm, radii_of(rows, self.target_test.index))
        if isinstance(asked, ChecksSpec) and isinstance(found, Checked):
            seen = seen_of(found, asked, rows, self.target_test.index)
            self.book.seen[digest] = seen
            self.book.fallen[digest] = seen.fallen(len(self.target_test))

    def publish(self, out: Path) -> Report:
        """The complete report and the files for the person."""
        final = self.book.report(complete=True)
        if self.plan.students:
            write_student(out, self.directories[self.plan.students[0].key.digest] / NETWORK, self.report)
        for student in self.plan.measured:
            clean = self.book.clean(student.measurements)
            assert clean is not None
            attacks = self.book.attacks(student.measurements)
            probed = {
                own.name: read_rows(self.directories[own.key.digest])
                for own in student.probings
                if not isinstance(own.asked, GallerySpec)
            }
            write_outcomes(out, student.subject, self.target_test, clean, attacks, probed, self.report)
        write_report(out, final, self._worst_images(out, final), self.report)
        self.report(ReportUpdated(report=final))
        return final

    def _worst_images(self, out: Path, final: Report) -> Pixels | None:
        """The pictures of the job's own student, written beside the report."""
        gallery = final.student.figures.gallery if final.student and final.student.figures else None
        if gallery is None:
            return None
        (probing,) = (own for own in self.plan.measured[0].probings if isinstance(own.asked, GallerySpec))
        rows = read_rows(self.directories[probing.key.digest])
        return write_gallery(out, gallery, rows, self.report)

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


def _some_of(images: Split, limit: int | None, seed: int, purpose: str) -> Split:
    """The images that every network is measured on: all, or a stratified draw."""
    chosen = stratified(images.labels, limit, generator(seed, purpose))
    return Split(
        images=images.images[chosen],
        labels=images.labels[chosen],
        index=images.index[chosen],
        digests=tuple(images.digests[position] for position in chosen.tolist()),
    )


def _facts(data: Loaded, test: Split) -> TestData:
    return TestData(data.fingerprint, len(data.train.labels), len(test.labels))


def _test_set(named: str, data: Loaded, test: Split) -> TestSet:
    return TestSet(named, data.fingerprint, tuple(test.labels.tolist()), data.class_names)
