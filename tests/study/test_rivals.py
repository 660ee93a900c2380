"""The study against rivals: soups against brute force, choices by hand, one processor a comparison."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.storage.stop_flag import StopFlag
from study.compare import Point, difference
from study.plan import cells, plan_digest
from study.rivals.__main__ import run_seed
from study.rivals.choices import beside, own_choice, soup_rows, unexamined
from study.rivals.comparisons import across_domains, beside_rivals, finished, read
from study.rivals.drawing import forest
from study.rivals.plan import RESULTS, RivalsPlan, read_rivals_plan
from study.rivals.processor import UNKNOWN, one_processor, processor
from study.rivals.soups import greedy, mean_state, one_figure
from study.rivals.tables import beside as table_of_rivals
from study.rivals.tables import domains, progress, teachers, under_fronts
from study.rows import append_row, read_rows, students
from study.runner import StudyRunner
from study.study_results import StudyResults, results_of
from tests.study.conftest import SMALL

PLAN = read_rivals_plan()


def test_a_soup_is_the_mean_of_every_number() -> None:
    states = [
        {"weight": torch.randn(3, 2), "seen": torch.tensor(number), "mean": torch.randn(2).double()}
        for number in (7, 8, 9)
    ]
    found = mean_state(states)
    for name in ("weight", "mean"):
        expected = [
            sum(float(state[name].flatten()[at]) for state in states) / 3 for at in range(found[name].numel())
        ]
        assert found[name].flatten().tolist() == pytest.approx(expected, rel=1e-6)
        assert found[name].dtype == states[0][name].dtype
    assert found["seen"].item() == 7
    found["weight"].zero_()
    assert states[0]["weight"].any(), "the students keep their weights"


@pytest.mark.parametrize(
    "states", [[], [{"a": torch.ones(2)}, {"a": torch.ones(3)}], [{"a": torch.ones(2)}, {"b": torch.ones(2)}]]
)
def test_a_soup_needs_students_of_one_network(states: list[dict[str, torch.Tensor]]) -> None:
    with pytest.raises(ValueError, match=r"needs a student|same tensors"):
        mean_state(states)


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_a_greedy_soup_is_never_worse_than_its_best_student(seed: int, count: int) -> None:
    weights = torch.randint(0, 5, (count,), generator=torch.Generator().manual_seed(seed)).tolist()

    def score_of(taken: tuple[int, ...]) -> float:
        return float((sum((place + 1) * weights[place] for place in taken) * 7919 + len(taken)) % 5)

    scores = [score_of((place,)) for place in range(count)]
    taken = greedy(scores, score_of)
    assert score_of(taken) >= max(scores)
    assert len(set(taken)) == len(taken)
    # Every student was tried once, in the order of its score; none that was left out would have helped then.
    expected: list[int] = []
    for place in sorted(range(count), key=lambda place: (-scores[place], place)):
        if not expected or score_of((*expected, place)) >= score_of(tuple(expected)):
            expected.append(place)
    assert taken == tuple(expected)


def test_a_greedy_soup_needs_a_student() -> None:
    with pytest.raises(ValueError, match="needs a student"):
        greedy([], lambda taken: 0.0)


def test_a_processor_is_told_from_another_and_not_named(tmp_path: Path) -> None:
    text = "processor: {}\nvendor_id: Maker\ncpu family: 25\nmodel: 1\nmodel name: Secret 9000\nflags: {}\n"
    listed = {name: tmp_path / name for name in ("one", "same", "other")}
    listed["one"].write_text(text.format(0, "avx2") + text.format(1, "avx2"))
    listed["same"].write_text(text.format(5, "avx2"))
    listed["other"].write_text(text.format(0, "avx2 avx512f"))
    found = {name: processor(path) for name, path in listed.items()}
    assert found["one"] == found["same"] != found["other"]
    assert "Secret" not in found["one"]
    assert processor(tmp_path / "missing") == processor(tmp_path / "missing")


def test_rows_of_two_processors_are_not_compared() -> None:
    old: dict[str, Any] = {"cell": "a", "pair": "p", "seed": 0, "outcomes": {"1": {"clean": "10"}}}
    new = old | {"cell": "b", "processor": "x86_64, AVX2"}
    assert one_processor([old, old], "p") == UNKNOWN
    assert difference(Point(old, 1), Point(old | {"cell": "c"}, 1), None).value == 0
    with pytest.raises(ValueError, match="2 processors"):
        difference(Point(old, 1), Point(new, 1), None)


def test_results_with_two_processors_of_a_pair_and_seed_are_refused(tmp_path: Path) -> None:
    for seed, name in ((200, "one"), (201, "other")):
        append_row("cifar10-split", {"kind": "teacher", "seed": seed, "processor": name}, tmp_path)
    assert len(read(tmp_path, PLAN)[1].rows["cifar10-split"]) == 2, "each seed may have its own"
    append_row("cifar10-split", {"kind": "teacher", "seed": 200, "processor": "other"}, tmp_path)
    with pytest.raises(ValueError, match=r"cifar10-split, seed 200.*2 processors"):
        read(tmp_path, PLAN)


@pytest.fixture(scope="module")
def small() -> RivalsPlan:
    title = {"title": "t", "teacher": "at", "role": "reference"}
    moved = {"displacement": {"loss": "consistency", "weight": 1.0}}
    return RivalsPlan.model_validate(
        {
            **SMALL,
            "question": "?",
            "across": [],
            "methods": {
                "vanilla": {**title, "role": "plain", "method": "vanilla"},
                "probe": {**title, "method": "linear_probe"},
                "ours": {**title, "role": "ours", "method": "consistent", "transfer": moved},
            },
            "compared": {
                "ours": ["ours"],
                "plain": ["vanilla"],
                "cheap": ["probe"],
                "dearer": [],
                "domains": [],
            },
            "soups": {
                name: {"title": name, "recipe": name, "of": [["vanilla", 2], ["vanilla", 3]]}
                for name in ("uniform", "greedy")
            },
            "automatic": [],
            "rounds": [
                {"title": str(k), "pairs": ["digits"], "seeds": [0], "k": k, "methods": methods}
                for k, methods in (([1], ["probe"]), ([2, 3], ["vanilla"]), ([2], ["ours"]))
            ],
        }
    )


@pytest.fixture(scope="module")
def ran(small: RivalsPlan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StudyRunner, Path]]:
    folder = tmp_path_factory.mktemp("rivals")
    runner = StudyRunner(small, work=folder / "work", data_root=folder, threads=1, stop=StopFlag())
    run_seed(runner, small, "digits", 0, list(cells(small)), folder)
    yield runner, folder


def results_in(folder: Path, plan: RivalsPlan) -> StudyResults:
    return read(folder, plan)[1]


def test_a_seed_has_its_soups_and_all_that_is_compared_was_examined(
    small: RivalsPlan, ran: tuple[StudyRunner, Path]
) -> None:
    runner, folder = ran
    results = results_in(folder, small)
    uniform, best = soup_rows(results, "digits", 0)
    ends = {row["cell"]: row["validation"][-1] for row in students(results.rows["digits"])}
    assert uniform["taken"] == uniform["of"] == ["digits/0/vanilla/k2", "digits/0/vanilla/k3"]
    assert set(best["taken"]) <= set(best["of"])
    assert one_figure(*best["validation"][0]) >= max(one_figure(*ends[name]) for name in best["of"])
    assert uniform["outcomes"]["1"]["attacks"] == ["pgd20"]
    assert not unexamined(small, results, "digits", 0)
    assert {one.rival for one in beside(small, results, "digits", 0)} == {
        "vanilla",
        "probe",
        "uniform",
        "greedy",
    }
    before = read_rows("digits", folder)
    run_seed(runner, small, "digits", 0, list(cells(small)), folder)
    assert read_rows("digits", folder) == before


def test_what_is_chosen_stands_in_the_table(small: RivalsPlan, ran: tuple[StudyRunner, Path]) -> None:
    results = results_in(ran[1], small)
    lines = {line.name: line for line in beside_rivals(small, finished(small, results))}
    assert set(lines) == {"vanilla", "probe", "uniform", "greedy"}
    assert lines["vanilla"].robust is None, "one seed has no interval"
    for one in beside(small, results, "digits", 0):
        rows = [row for row in results.rows["digits"] if row.get("method") == one.rival]
        pool = [tuple(point) for row in rows for point in row["validation"]]
        near = [
            point for point in pool if point[0] >= max(clean for clean, _ in pool) - small.rules.margin - 1e-9
        ]
        assert (one.theirs.clean, one.theirs.robust) == max(near, key=lambda point: (point[1], point[0]))
    table = table_of_rivals(small, results)
    assert table.count("\n") == 5
    # A seed whose comparison is not whole counts for nothing.
    cut = results_of(small, {"digits": [r for r in results.rows["digits"] if r["kind"] != "soup"]})
    assert not beside_rivals(small, finished(small, cut))
    assert own_choice(cut, "digits", 0, "uniform") is None


def test_two_seeds_have_intervals_in_every_table_and_in_the_figure(
    small: RivalsPlan, ran: tuple[StudyRunner, Path]
) -> None:
    rounds = [part.model_copy(update={"seeds": (0, 1)}) for part in small.rounds]
    compared = small.compared.model_copy(update={"domains": ("ours",)})
    plan = small.model_copy(update={"rounds": tuple(rounds), "compared": compared})
    rows = read_rows("digits", ran[1])
    again = [json.loads(json.dumps(row | {"seed": 1}).replace("digits/0/", "digits/1/")) for row in rows]
    results = results_of(plan, {"digits": [*rows, *again]})
    for made in (table_of_rivals, under_fronts):
        assert " to " in made(plan, results)
    assert "| digits | at | 2 |" in teachers(plan, results)
    assert "| digits | 0, 1 | 0, 1 | 8 | 8 |" in progress(plan, results)
    # Two seeds with the same images have the same differences.
    for line in beside_rivals(plan, finished(plan, results)):
        assert line.robust is not None and line.clean is not None
        for found, at in ((line.robust, 1), (line.clean, 0)):
            assert found == pytest.approx((line.first[at] - line.second[at],) * 3)
    names = [text.get_text() for text in forest(plan, beside_rivals(plan, results)).axes[0].get_yticklabels()]
    assert names == ["t", "t", "uniform", "greedy"]
    across = plan.model_copy(update={"across": ("digits",)})
    (line,) = across_domains(across, examined(results))
    assert (line.name, line.seeds) == ("ours", 2)
    assert "| digits | t | 2 |" in domains(across, examined(results))


def examined(results: StudyResults) -> StudyResults:
    """Every last epoch as it would be if it had been attacked: nothing holds."""
    rows = [
        row | {"outcomes": {"2": {"clean": "10", "fate": "10", "attacks": ["pgd20"]}}}
        if row["kind"] == "cell"
        else row
        for row in results.rows["digits"]
    ]
    return results_of(results.plan, {"digits": rows})


def test_every_committed_row_is_of_the_committed_plan_and_of_a_counted_seed() -> None:
    plan, results = read()
    assert {path.stem for path in RESULTS.glob("*.jsonl")} <= set(plan.pairs)
    for pair in plan.pairs:
        rows = read_rows(pair, RESULTS)
        assert {row["plan"] for row in rows} <= {plan_digest(plan)}
        assert all(200 <= row["seed"] < 300 for row in rows)
        names = [row["cell"] for row in students(rows)]
        assert len(set(names)) == len(names)
        assert set(names) <= {cell.name for cell in cells(plan, pair)}
        json.dumps(results.rows[pair], allow_nan=False)
