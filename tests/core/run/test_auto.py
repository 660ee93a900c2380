"""Runs that choose their method and freeze depth: on real digits, and the promise in both directions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from cartl_core.analysis.comparisons import compare
from cartl_core.analysis.selection import promise
from cartl_core.errors import Interrupted
from cartl_core.events import CandidateChosen, Event, Progress, StageFinished, StageStarted
from cartl_core.planning.make_plan import plan_transfer
from cartl_core.planning.plan import DataCounts
from cartl_core.render import sentences
from cartl_core.report import Report
from cartl_core.report.comparisons import PairedComparison
from cartl_core.report.selection import Promise
from cartl_core.run.pipeline import run
from cartl_core.spec import JobSpec, Runtime
from cartl_core.statistics.candidate_selection import ModelSelection
from cartl_core.storage.shared_arrays import FOLDER, LOCK, SharedArrays
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stop_flag import StopFlag
from tests.fixtures.choosing import choosing_report

# Any clean accuracy will do, so the most robust of so small networks is chosen, whatever it is.
ANY = {"margin": 1.0, "lead": 0.0, "validation_images": 30, "attack": {"steps": 3}}
SMALL: dict[str, Any] = {
    "method": "auto",
    "freeze_depth": "auto",
    "pretrain": {"epochs": 1},
    "transfer": {"epochs": 1},
    "evaluate": {"test_limit": 60, "source_attacks": [], "curve": None, "corruptions": None, "checks": None},
}


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stages")


@pytest.fixture
def go(tmp_path: Path, stages: Path, runtime: Runtime) -> Callable[..., Report]:
    def start(
        spec: JobSpec,
        events: list[Event],
        *,
        out: str = "out",
        cache_at: Path | None = None,
        stop: StopFlag | None = None,
        listen: Callable[[Event], None] = lambda event: None,
    ) -> Report:
        flag = stop or StopFlag()

        def report(event: Event) -> None:
            events.append(event)
            listen(event)

        return run(
            spec,
            cache=LocalStageCache(cache_at or stages, report, flag),
            shared=SharedArrays((cache_at or stages) / FOLDER),
            data_root=tmp_path / "data",
            out=tmp_path / out,
            report=report,
            stop=flag,
            runtime=runtime,
            checkpoint_seconds=0.0,
            exporter=None,
        )

    return start


def test_a_run_that_chooses(go: Any, job: Any, tmp_path: Path, stages: Path) -> None:
    events: list[Event] = []
    spec = job(**SMALL, auto=ANY)
    report = go(spec, events)
    found = report.selection
    assert report.complete
    assert spec.auto is not None
    assert [(row.method, row.freeze_depth) for row in found.candidates] == [
        (arm.method, arm.freeze_depth) for arm in spec.auto.candidates
    ]
    assert {row.clean.n for row in found.candidates} == {row.robust.n for row in found.candidates} == {30}
    chosen = found.candidates[found.chosen - 1]
    assert chosen.robust.value == max(row.robust.value for row in found.candidates)
    assert chosen.on_front
    assert (report.student.method, report.student.freeze_depth) == (chosen.method, chosen.freeze_depth)
    assert report.student.student_digest == chosen.student_digest
    assert report.student.figures.n == 60
    plain = found.candidates[found.best_plain - 1]
    assert plain.method == "vanilla"
    if chosen is plain:
        assert (report.baselines, found.promise.verdict) == ((), "plain_itself")
    else:
        assert [arm.student_digest for arm in report.baselines] == [plain.student_digest]
        assert found.promise.robust == report.baselines[0].comparisons[0]
        assert found.promise.verdict in ("kept", "unclear", "broken")
    (told,) = [event for event in events if isinstance(event, CandidateChosen)]
    assert (told.number, told.candidates) == (found.chosen, len(found.candidates))
    # The choice is made before a test image is attacked.
    labels = [event.label for event in events[: events.index(told)] if isinstance(event, StageStarted)]
    assert all("validation images" in label for label in labels if label.startswith(("attack", "clean")))
    trainings = [e.label for e in events if isinstance(e, StageFinished) and e.stage == "transfer"]
    assert len(trainings) == len(found.candidates), "nothing is trained twice"
    keeping = [arm for arm in spec.auto.candidates if arm.transfer.fixed_features and arm.freeze_depth]
    arrays = [path for path in (stages / FOLDER).iterdir() if path.name != LOCK]
    assert 0 < len(arrays) < len(keeping), "candidates on one trunk share what it makes"
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    out = tmp_path / "out"
    assert {"selection.svg", "selection.png"} <= {path.name for path in out.iterdir()}
    page = (out / "report.md").read_text()
    assert "## How the method was chosen" in page
    promised = sentences.promise(report)
    assert promised is not None
    assert promised in page
    assert told.words == sentences.selection_outcome(report)
    assert Report.model_validate_json((out / "report.json").read_bytes()) == report


def test_the_choice_is_the_same_after_a_stop_in_its_midst(
    go: Any, job: Any, tmp_path: Path, stages: Path
) -> None:
    """Stopped while candidates are compared, it goes on with those that are missing, to the same bits."""
    # One depth: a third of the candidates, which the run above has trained where it came first.
    spec = job(**SMALL | {"freeze_depth": 2}, auto=ANY)
    whole, stop, seen = go(spec, []), StopFlag(), list[Event]()

    def after_two(event: Event) -> None:
        measured = [e for e in seen if isinstance(e, StageFinished) and e.stage == "evaluate"]
        if isinstance(event, StageFinished) and len(measured) == 2:
            stop.request("interrupted")

    cell = tmp_path / "own"
    with pytest.raises(Interrupted):
        go(spec, seen, out="broken", cache_at=cell, stop=stop, listen=after_two)
    assert not any(isinstance(event, CandidateChosen) for event in seen)
    events: list[Event] = []
    again = go(spec, events, out="again", cache_at=cell)
    reused = [e.label for e in events if isinstance(e, StageFinished) and e.reused]
    assert sum("validation images" in label for label in reused) == 2
    assert again.selection == whole.selection.model_copy(update={"promise": again.selection.promise})
    assert again.student.student_digest == whole.student.student_digest
    first, second = (
        safetensors.torch.load_file(tmp_path / place / "student.safetensors") for place in ("out", "again")
    )
    assert all(bool((first[name] == second[name]).all()) for name in first)


def test_baselines_of_ones_own_stand_beside_and_none_twice(job: Any, runtime: Runtime) -> None:
    spec = job(
        **SMALL,
        baselines=[
            {"method": "vanilla", "freeze_depth": 2},
            {"method": "neft", "freeze_depth": 1},
            {"method": "lwf"},
        ],
    )
    data = DataCounts("source", 100, 10), DataCounts("target", 100, 10, 8)
    tried = [(arm.method, arm.freeze_depth) for arm in spec.auto.candidates]
    choice = ModelSelection(chosen=tried.index(("consistent", 2)), baseline=tried.index(("vanilla", 2)))
    plan = plan_transfer(spec, source=data[0], target=data[1], runtime=runtime, choice=choice)
    kinds = [(student.arm.method, student.arm.freeze_depth) for student in plan.students]
    assert kinds == [("consistent", 2), ("vanilla", 2), ("neft", 1), ("lwf", 0)]
    assert [student.subject for student in plan.students] == ["student", "vanilla", "neft", "lwf"]
    twins = spec.model_copy(update={"baselines": (spec.auto.candidates[tried.index(("vanilla", 3))],)})
    doubled = plan_transfer(twins, source=data[0], target=data[1], runtime=runtime, choice=choice)
    assert [student.subject for student in doubled.students] == ["student", "vanilla", "vanilla-2"]
    itself = ModelSelection(choice.baseline, choice.baseline)
    alone = plan_transfer(spec, source=data[0], target=data[1], runtime=runtime, choice=itself)
    assert [student.arm.method for student in alone.students] == ["vanilla", "neft", "lwf"]
    before = plan_transfer(spec, source=data[0], target=data[1], runtime=runtime)
    assert before.students == ()
    dearest, chosen, least = (
        sum(cost.passes for cost in one.costs.values()) for one in (before, plan, alone)
    )
    assert dearest >= chosen > least
    validation = {m.key.digest for candidate in plan.candidates for m in candidate.measurements}
    test = {m.key.digest for student in plan.students for m in student.measurements}
    assert not validation & test, "validation and test images are never taken for each other"


def pair(only_job: int, only_baseline: int, what: Any, n: int = 400) -> PairedComparison:
    mine = [True] * only_job + [False] * only_baseline + [True] * (n - only_job - only_baseline)
    theirs = [False] * only_job + [True] * only_baseline + [True] * (n - only_job - only_baseline)
    return compare(what, mine, theirs)


@pytest.mark.parametrize(
    ("robust", "clean", "verdict"),
    [
        pytest.param((40, 10), (5, 5), "kept", id="more robust, as clean"),
        pytest.param((12, 14), (5, 5), "kept", id="less robust within noise"),
        pytest.param((5, 40), (9, 5), "broken", id="less robust, and surely"),
        pytest.param((40, 10), (0, 30), "broken", id="cleaner by more than the margin, and surely"),
        pytest.param((40, 10), (2, 8), "unclear", id="out of the margin within noise"),
        pytest.param((40, 10), (2, 6), "kept", id="exactly the margin"),
    ],
)
def test_the_promise_in_both_directions(
    robust: tuple[int, int], clean: tuple[int, int], verdict: str
) -> None:
    pairs = pair(*robust, "worst_case"), pair(*clean, "clean")
    found = promise(ModelSelection(chosen=3, baseline=0), 0.01, pairs, attacked=True)
    assert found is not None
    assert found.verdict == verdict
    said = sentences.promise(promising(found))
    assert said is not None
    assert {"kept": "was kept", "broken": "was broken", "unclear": "is unclear"}[verdict] in said


def promising(promise: Promise) -> Report:
    """A report of a run that chose, with this promise."""
    report = choosing_report()
    assert report.selection is not None
    chosen = report.selection.model_copy(update={"promise": promise})
    return report.model_copy(update={"selection": chosen})


def test_a_promise_that_nothing_can_break_or_measure() -> None:
    alone = promise(ModelSelection(chosen=1, baseline=1), 0.01, (), attacked=True)
    assert alone is not None
    assert alone.verdict == "plain_itself"
    assert promise(ModelSelection(chosen=1, baseline=0), 0.01, (), attacked=True) is None, "not measured yet"
    blind = promise(ModelSelection(chosen=1, baseline=0), 0.01, (pair(5, 5, "clean"),), attacked=False)
    assert blind is not None
    assert blind.verdict == "not_measured"


def test_a_broken_promise_is_the_first_warning() -> None:
    pairs = pair(5, 40, "worst_case"), pair(9, 5, "clean")
    broken = promise(ModelSelection(chosen=3, baseline=0), 0.01, pairs, attacked=True)

    assert broken is not None
    report = promising(broken)
    assert sentences.read_first(report)[0] == sentences.promise(report)
    kept = choosing_report("kept")
    assert sentences.promise(kept) not in sentences.read_first(kept)
