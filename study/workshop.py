"""Where cells are run: data and teachers made once, students tuned and examined, rows appended."""

from __future__ import annotations

import functools
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cartl_core import runtime as machine
from cartl_core.blocks import Network
from cartl_core.checkpoint import Checkpoints
from cartl_core.data import Loaded, keep_apart, load
from cartl_core.epoch_choice import CLEAN, ROBUST
from cartl_core.resolve import resolve
from cartl_core.results import read_result
from cartl_core.shelf import LocalShelf
from cartl_core.spec import JobRequest, Runtime, digest
from cartl_core.stage_keys import RECIPE_VERSION, StageKey
from cartl_core.stages import NETWORK
from cartl_core.stages.pretrain import pretrain
from cartl_core.stages.validation import standing
from cartl_core.stopping import StopFlag
from cartl_core.weights import load_network
from cartl_core.workplace import Workplace
from study import archives
from study.exam import ATTACKS_OF_THE_GRID, Exam, digits, exam_of, sit
from study.plan import Cell, Pair, Plan, arm_of, plan_digest, pretrain_of
from study.radii import ladder_of
from study.rows import Row
from study.scale import BATCH as SCALE_IMAGES
from study.scale import scale_of
from study.strongest import ensemble_exam
from study.tune import Tuned, chosen_epoch, keep, kept, network_of, tune, validation_attack

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """The data of one pair and seed."""

    source: Loaded
    target: Loaded
    exam: Exam


@dataclass(frozen=True)
class Teacher:
    """A teacher on the shelf; ``key`` names all that determines it, ``k`` is None if it serves any."""

    name: str
    k: int | None
    key: StageKey
    network: Path
    history: list[dict[str, float]]


class Workshop:
    """All that a process needs to run cells.

    Args:
        work: outside the checkout: teachers, packed data and what is half done.
        stop: looked at between two steps; the cell under way then leaves no row.
    """

    def __init__(self, plan: Plan, *, work: Path, data_root: Path, threads: int, stop: StopFlag) -> None:
        self.plan, self.work, self.data_root, self.stop = plan, work, data_root, stop
        self.runtime = _runtime(threads)
        machine.enter(self.runtime)
        self.shelf = LocalShelf(work / "teachers", lambda event: None, stop)
        self.task = functools.lru_cache(maxsize=1)(self._task)

    def teacher(self, cell: Cell) -> Teacher:
        """The teacher of a cell: found on the shelf, or trained; goes on from a checkpoint."""
        name = self.plan.methods[cell.method].teacher
        pair = self.plan.pairs[cell.pair]
        spec, depth = pretrain_of(self.plan, pair, name), pair.blocks - cell.k
        task = self.task(cell.pair, cell.seed)
        # As written, without defaults: a field that the library gains later changes no teacher.
        settings = spec.model_dump(mode="json", exclude_defaults=True)
        settings["depth"] = None if spec.serves_every_depth else depth
        key = self._key("pretrain", name, cell.seed, settings, pair, task.source)
        answer = self.shelf.place(key)
        try:
            if not answer.finished:
                log.info("%s: training teacher %s", cell.name, name)
                earlier = answer.checkpoints
                checkpoints = Checkpoints(answer.directory, earlier=earlier, every_seconds=60)
                place = self._place(key, answer.directory, checkpoints)
                pretrain(spec, depth, pair.model, task.source, seed=cell.seed, place=place)
                checkpoints.clear()
        finally:
            self.shelf.release(key)
        facts = read_result(answer.directory)
        k = None if spec.serves_every_depth else cell.k
        return Teacher(name, k, key, answer.directory / NETWORK, facts["history"])

    def teacher_row(self, cell: Cell, teacher: Teacher, seconds: float) -> Row:
        """How good a teacher is on its own data, and how its features scale on source and target."""
        task, pair = self.task(cell.pair, cell.seed), self.plan.pairs[cell.pair]
        rules = self.plan.rules.model_copy(
            update={
                "test_images": self.plan.rules.teacher_images,
                "attacked_images": self.plan.rules.teacher_images,
            }
        )
        with self._scratch(teacher.key) as place:
            network = load_network(teacher.network)
            place.install(network)
            outcome = sit(network, exam_of(pair, rules, task.source.test, cell.seed), place)
            scaled = {
                side: scale_of(
                    network, data.validation, pair, limit=SCALE_IMAGES, seed=cell.seed, place=place
                )
                for side, data in (("source", task.source), ("target", task.target))
            }
        return {
            "kind": "teacher",
            "pair": cell.pair,
            "seed": cell.seed,
            "teacher": teacher.name,
            "k": teacher.k,
            "digest": teacher.key.digest,
            "validation": [[row[CLEAN], row[ROBUST]] for row in teacher.history],
            "outcome": outcome,
            "scale": scaled,
            "seconds": round(seconds, 1),
            **self._origin(),
        }

    def cell_row(self, cell: Cell, teacher: Teacher) -> Row:
        """Tune, choose the cell's own epoch on validation images, then look at the test images at the end."""
        began = time.process_time()
        key, settings = self._student_key(cell)
        tuned = self._tuned(cell, teacher)
        tuning = time.process_time() - began
        chosen = chosen_epoch(tuned.frontier, self.plan.rules.margin)
        end = len(tuned.frontier)
        return {
            "kind": "cell",
            "cell": cell.name,
            "pair": cell.pair,
            "seed": cell.seed,
            "method": cell.method,
            "k": cell.k,
            "teacher": teacher.key.digest,
            "digest": key.digest,
            "settings": settings["transfer"],
            "validation": [[clean, robust] for clean, robust in tuned.frontier],
            "loss": [round(value, 5) for value in tuned.loss],
            "chosen": chosen,
            "outcomes": {
                str(end): self._outcome(cell, teacher, tuned, end, self._exam(cell, ATTACKS_OF_THE_GRID))
            },
            "seconds": {"tune": round(tuning, 1), "test": round(time.process_time() - began - tuning, 1)},
            **self._origin(),
        }

    def exam_row(self, cell: Cell, teacher: Teacher, epoch: int, row: Row, *, attacks: int) -> Row:
        """The first ``attacks`` attacks on a student as it was after ``epoch``.

        Args:
            row: of the finished cell. Tuning anew, where its weights are gone, must give its figures.

        Raises:
            ValueError: it did not.
        """
        return self._look("exam", cell, teacher, epoch, row, self._exam(cell, attacks))

    def standing_row(self, cell: Cell, teacher: Teacher, epoch: int, row: Row) -> Row:
        """Which validation images a student holds after ``epoch``; the rest as of ``exam_row``.

        Raises:
            ValueError: it holds not as many as its row says.
        """
        rules, tuned = self.plan.rules, self._tuned_again(cell, teacher, row)
        task, pair = self.task(cell.pair, cell.seed), self.plan.pairs[cell.pair]
        with self._student(cell, teacher, tuned, epoch) as (network, place):
            stood = standing(
                network,
                task.target.validation,
                validation_attack(pair, rules),
                limit=rules.validation_images,
                seed=cell.seed,
                place=place,
            )
        if sum(stood) / len(stood) != row["validation"][epoch - 1][1]:
            raise ValueError(
                f"{cell.name} holds other validation images after epoch {epoch} than its row says"
            )
        images = len(task.target.validation)
        return {**self._seen("standing", cell, epoch), "images": images, "stood": digits(stood)}

    def radii_row(self, cell: Cell, teacher: Teacher, row: Row) -> Row:
        """What of a student stands after its last epoch as the radius grows; the rest as of ``exam_row``."""
        ladder = ladder_of(self._exam(cell), self.plan.pairs[cell.pair], self.plan.rules)
        return self._look("radii", cell, teacher, len(row["validation"]), row, ladder)

    def _look(self, kind: str, cell: Cell, teacher: Teacher, epoch: int, row: Row, exam: Exam) -> Row:
        tuned = self._tuned_again(cell, teacher, row)
        return {
            **self._seen(kind, cell, epoch),
            "outcome": self._outcome(cell, teacher, tuned, epoch, exam),
        }

    def _seen(self, kind: str, cell: Cell, epoch: int) -> Row:
        named = {"kind": kind, "cell": cell.name, "pair": cell.pair, "seed": cell.seed, "epoch": epoch}
        return {**named, **self._origin()}

    def _exam(self, cell: Cell, attacks: int | None = None) -> Exam:
        """The exam of a cell's data with its first ``attacks`` attacks; None: all."""
        exam = self.task(cell.pair, cell.seed).exam
        return replace(exam, attacks=exam.attacks[:attacks])

    def strongest_row(self, cell: Cell, teacher: Teacher, epoch: int, row: Row) -> Row:
        """The ensemble of other attacks on a student after ``epoch``; the rest as of ``exam_row``."""
        task, pair = self.task(cell.pair, cell.seed), self.plan.pairs[cell.pair]
        exam = ensemble_exam(task.exam, pair, len(task.target.class_names))
        seen = self._look("strongest", cell, teacher, epoch, row, exam)
        return {**seen, "method": cell.method, "k": cell.k}

    def _tuned_again(self, cell: Cell, teacher: Teacher, row: Row) -> Tuned:
        tuned = self._tuned(cell, teacher)
        if [[clean, robust] for clean, robust in tuned.frontier] != row["validation"]:
            raise ValueError(f"{cell.name} was tuned anew and went another way than its row says")
        return tuned

    def _tuned(self, cell: Cell, teacher: Teacher) -> Tuned:
        """The student after each of its epochs: kept from before, or tuned now."""
        key, _ = self._student_key(cell)
        path = self.work / "students" / f"{key.digest}.safetensors"
        found = kept(path)
        if found is None:
            pair, task = self.plan.pairs[cell.pair], self.task(cell.pair, cell.seed)
            with self._scratch(key) as place:
                arm = arm_of(self.plan, cell)
                rules = self.plan.rules
                found = tune(arm, teacher.network, task.target, pair, rules, seed=cell.seed, place=place)
            keep(found, path)
        return found

    def _outcome(self, cell: Cell, teacher: Teacher, tuned: Tuned, epoch: int, exam: Exam) -> dict[str, Any]:
        with self._student(cell, teacher, tuned, epoch) as (network, place):
            return sit(network, exam, place)

    @contextmanager
    def _student(
        self, cell: Cell, teacher: Teacher, tuned: Tuned, epoch: int
    ) -> Iterator[tuple[Network, Workplace]]:
        classes = len(self.task(cell.pair, cell.seed).target.class_names)
        arm = arm_of(self.plan, cell)
        with self._scratch(self._student_key(cell)[0]) as place:
            yield (
                network_of(tuned, epoch, arm, teacher.network, classes, seed=cell.seed, place=place),
                place,
            )

    def _student_key(self, cell: Cell) -> tuple[StageKey, dict[str, Any]]:
        settings = arm_of(self.plan, cell).model_dump(mode="json", exclude_defaults=True)
        pair, data = self.plan.pairs[cell.pair], self.task(cell.pair, cell.seed).target
        return self._key("transfer", cell.method, cell.seed, settings, pair, data), settings

    def _task(self, pair_name: str, seed: int) -> Task:
        pair = self.plan.pairs[pair_name]
        archives.use({pair.source.name, pair.target.name}, self.data_root, self.work / "archives")
        source, target = (
            load(data, pair.model, data_root=self.data_root, seed=seed, download=False, field=field)
            for field, data in (("source", pair.source), ("target", pair.target))
        )
        source, _ = keep_apart(source, target)
        return Task(source, target, exam_of(pair, self.plan.rules, target.test, seed))

    def _key(
        self, kind: Any, name: str, seed: int, settings: dict[str, Any], pair: Pair, data: Loaded
    ) -> StageKey:
        whole = {
            "study": kind,
            "recipe": RECIPE_VERSION[kind],
            "settings": settings,
            "model": pair.model.model_dump(mode="json"),
            "data": data.fingerprint,
            "seed": seed,
            "runtime": self.runtime.model_dump(mode="json"),
        }
        return StageKey(kind, name, digest(whole))

    def _place(self, key: StageKey, directory: Path, checkpoints: Checkpoints) -> Workplace:
        return Workplace(
            key=key,
            directory=directory,
            checkpoints=checkpoints,
            saved=checkpoints.newest(),
            runtime=self.runtime,
            report=lambda event: None,
            stop=self.stop,
        )

    @contextmanager
    def _scratch(self, key: StageKey) -> Iterator[Workplace]:
        """A place whose files nobody needs afterwards: a cell is short and is never resumed midway."""
        self.work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.work, prefix="cell-"))
        try:
            yield self._place(key, folder, Checkpoints(folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _origin(self) -> Row:
        runtime = self.runtime
        return {
            "plan": plan_digest(self.plan),
            "versions": {"cartl": runtime.cartl, "torch": runtime.torch, "python": runtime.python},
            "threads": runtime.threads,
            "device": runtime.device,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }


def _runtime(threads: int) -> Runtime:
    asked = JobRequest.model_validate({"dataset": "digits", "freeze_depth": 1, "device": "auto"})
    return machine.resolve(resolve(asked), threads=threads)
