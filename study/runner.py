"""Where cells are run: data and teachers made once, students tuned and examined, rows appended."""

from __future__ import annotations

import functools
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartl_core.data import Loaded, keep_apart, load
from cartl_core.execution.checkpoint import Checkpoints
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.network import Network
from cartl_core.planning.stage_digests import RECIPE_VERSION, StageKey
from cartl_core.run import runtime as machine
from cartl_core.spec import Runtime, digest
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stage_result import NETWORK, read_result
from cartl_core.storage.stop_flag import StopFlag
from cartl_core.training.pretrain import pretrain
from study import archives
from study.evaluation import Evaluation, evaluation_of
from study.plan import (
    Cell,
    Pair,
    Plan,
    arm_of,
    plan_digest,
    pretrain_of,
)
from study.rivals.processor import processor
from study.rows import Row
from study.tune import Tuned, keep, kept, network_of, tune

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """The data of one pair and seed."""

    source: Loaded
    target: Loaded
    evaluation: Evaluation


@dataclass(frozen=True)
class Teacher:
    """A trained teacher; ``key`` names all that determines it, ``k`` is None if it serves any."""

    name: str
    k: int | None
    key: StageKey
    network: Path
    history: list[dict[str, float]]


class StudyRunner:
    """All that a process needs to run cells.

    Args:
        work: outside the checkout: teachers, packed data and what is half done.
        stop: looked at between two steps; the cell under way then leaves no row.
    """

    def __init__(self, plan: Plan, *, work: Path, data_root: Path, threads: int, stop: StopFlag) -> None:
        self.plan, self.work, self.data_root, self.stop = plan, work, data_root, stop
        self.runtime = _runtime(threads)
        machine.enter(self.runtime)
        self.cache = LocalStageCache(work / "teachers", lambda event: None, stop)
        self.task = functools.lru_cache(maxsize=1)(self._task)

    def teacher(self, cell: Cell) -> Teacher:
        """The teacher of a cell: found in the cache, or trained; goes on from a checkpoint."""
        name = self.plan.methods[cell.method].teacher
        pair = self.plan.pairs[cell.pair]
        spec, depth = pretrain_of(self.plan, cell.pair, name), pair.blocks - cell.k
        task = self.task(cell.pair, cell.seed)
        # As written, without defaults: a field that the library gains later changes no teacher.
        settings = spec.model_dump(mode="json", exclude_defaults=True)
        settings["depth"] = None if spec.serves_every_depth else depth
        key = self._key("pretrain", name, cell.seed, settings, pair, task.source)
        answer = self.cache.locate(key)
        try:
            if not answer.finished:
                log.info("%s: training teacher %s", cell.name, name)
                earlier = answer.checkpoints
                checkpoints = Checkpoints(answer.directory, earlier=earlier, every_seconds=60)
                ctx = self._place(key, answer.directory, checkpoints)
                pretrain(spec, depth, pair.model, task.source, seed=cell.seed, ctx=ctx)
                checkpoints.clear()
        finally:
            self.cache.release(key)
        facts = read_result(answer.directory)
        k = None if spec.serves_every_depth else cell.k
        return Teacher(name, k, key, answer.directory / NETWORK, facts["history"])

    def tuned(self, cell: Cell, teacher: Teacher) -> Tuned:
        """The student after each of its epochs: kept from before, or tuned now."""
        key, _ = self.student_key(cell)
        path = self.work / "students" / f"{key.digest}.safetensors"
        found = kept(path)
        if found is None:
            pair, task = self.plan.pairs[cell.pair], self.task(cell.pair, cell.seed)
            with self.scratch(key) as ctx:
                arm = arm_of(self.plan, cell)
                rules = self.plan.rules
                found = tune(arm, teacher.network, task.target, pair, rules, seed=cell.seed, ctx=ctx)
            keep(found, path)
        return found

    def tuned_again(self, cell: Cell, teacher: Teacher, row: Row) -> Tuned:
        """The same for a cell that has its row.

        Raises:
            ValueError: its weights are gone, and tuning it anew went another way than the row says.
        """
        tuned = self.tuned(cell, teacher)
        if [[clean, robust] for clean, robust in tuned.frontier] != row["validation"]:
            raise ValueError(f"{cell.name} was tuned anew and went another way than its row says")
        return tuned

    @contextmanager
    def student(
        self, cell: Cell, teacher: Teacher, tuned: Tuned, epoch: int
    ) -> Iterator[tuple[Network, StageContext]]:
        """The student as it was after ``epoch``, and a place to use it at."""
        classes = len(self.task(cell.pair, cell.seed).target.class_names)
        arm = arm_of(self.plan, cell)
        with self.scratch(self.student_key(cell)[0]) as ctx:
            yield (
                network_of(tuned, epoch, arm, teacher.network, classes, seed=cell.seed, ctx=ctx),
                ctx,
            )

    def student_key(self, cell: Cell) -> tuple[StageKey, dict[str, Any]]:
        """What names all that determines a student, and its settings as they are written."""
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
        return Task(source, target, evaluation_of(pair, self.plan.rules, target.test, seed))

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
            "runtime": self.runtime.model_dump(mode="json", exclude=set(machine.CHANGES_NOTHING)),
        }
        return StageKey(kind, name, digest(whole))

    def _place(self, key: StageKey, directory: Path, checkpoints: Checkpoints) -> StageContext:
        return StageContext(
            key=key,
            directory=directory,
            checkpoints=checkpoints,
            saved=checkpoints.newest(),
            runtime=self.runtime,
            report=lambda event: None,
            stop=self.stop,
        )

    @contextmanager
    def scratch(self, key: StageKey) -> Iterator[StageContext]:
        """A place whose files nobody needs afterwards: a cell is short and is never resumed midway."""
        self.work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.work, prefix="cell-"))
        try:
            yield self._place(key, folder, Checkpoints(folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def origin(self) -> Row:
        """By what plan, versions and device a row was made, and when: part of every row."""
        runtime = self.runtime
        return {
            "plan": plan_digest(self.plan),
            "versions": {"cartl": runtime.cartl, "torch": runtime.torch, "python": runtime.python},
            "threads": runtime.threads,
            "device": runtime.device,
            "processor": processor(),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }


def _runtime(threads: int) -> Runtime:
    return machine.of_machine("auto", "auto", threads)
