"""The replay of selection rules: against the library's own rule, counted by hand, and against its plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.statistics.candidate_selection import CandidateScore, best, choose
from study.choice.candidates import Candidates, Outcomes, all_candidates
from study.choice.counts import Shared
from study.choice.figures import read_figures, stopping
from study.choice.plan import Rule, read_plan
from study.choice.replay import Judged, replay
from study.choice.rules import Seen, best_plain, most_robust_near, pick
from study.choice.stopping import Stopped, stopped_after
from study.choice.tables import mean_of, wins
from study.compare import last
from study.study_results import StudyResults, read_results

PLAN = read_plan()
(TODAY,) = PLAN.families["today"].rules()


@pytest.fixture(scope="module")
def committed() -> StudyResults:
    return read_results()


def drawn(seed: int) -> tuple[Outcomes, Outcomes, np.ndarray, np.ndarray]:
    """Clean and robust outcomes, tuned blocks and which are plain, of a few candidates on a few images."""
    random = np.random.default_rng(seed)
    candidates, images = int(random.integers(1, 9)), int(random.integers(5, 60))
    clean, robust = (random.random((candidates, images)) < random.random((candidates, 1)) for _ in range(2))
    plain = random.random(candidates) < 0.4
    plain[random.integers(candidates)] = True
    return clean, robust, random.integers(2, 5, candidates), plain


def seen_of(clean: Outcomes, robust: Outcomes, tuned: np.ndarray, plain: np.ndarray) -> Seen:
    return Seen(Shared.of(clean), Shared.of(robust), tuned, plain)


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.01, 0.07, 0.2]))
def test_todays_rule_is_the_librarys(seed: int, margin: float) -> None:
    tables = drawn(seed)
    scores = [
        CandidateScore(int(right.sum()), tuple(map(bool, held)), int(k), baseline=bool(plain))
        for right, held, k, plain in zip(*tables, strict=True)
    ]
    n = tables[0].shape[1]
    found = choose(scores, n, margin, TODAY.lead)
    seen = seen_of(*tables)
    assert (pick(TODAY, seen, [], margin), best_plain(seen, margin)) == (found.chosen, found.baseline)
    assert most_robust_near(seen, margin) == best(scores, range(len(scores)), n, margin)


@given(st.integers(0, 10**6))
def test_counts_are_those_of_the_images(seed: int) -> None:
    clean, *_ = drawn(seed)
    part = np.arange(clean.shape[1]) < 3
    rest = Shared.of(clean).without(Shared.of(clean[:, part]))
    others = clean[:, ~part]
    differences = others.astype(float) - others[0]
    assert rest.n == others.shape[1]
    assert rest.only(0)[0].tolist() == (differences > 0).sum(axis=1).tolist()
    expected = differences.std(axis=1) / np.sqrt(rest.n)
    assert rest.standard_errors(0) == pytest.approx(expected, abs=1e-9)


def test_shares_are_drawn_to_their_mean_as_far_as_their_spread_is_noise() -> None:
    random = np.random.default_rng(0)
    same = random.random((200, 400)) < 0.6
    alike = Shared.of(same).shrunk(np.zeros(200, dtype=int))
    assert alike.std() < 0.3 * same.mean(axis=1).std(), "nothing but noise"
    true = np.linspace(0.1, 0.9, 40)[:, None]
    apart = random.random((40, 400)) < true
    found = Shared.of(apart).shrunk(np.zeros(40, dtype=int))
    assert found == pytest.approx(apart.mean(axis=1), abs=0.01), "hardly any noise"
    assert Shared.of(apart).shrunk(np.arange(40)) == pytest.approx(apart.mean(axis=1)), "each alone"


def test_a_lenient_margin_takes_what_may_be_clean_enough_and_folds_ask_for_a_lead() -> None:
    images = np.arange(200)
    clean = np.stack([images >= 0, images >= 4])
    robust = np.stack([images < 60, images < 120])
    seen = seen_of(clean, robust, np.array([4, 6]), np.array([True, False]))
    assert pick(TODAY, seen, [], 0.01) == 0, "two images too few"
    lenient = TODAY.model_copy(update={"leniency": 1.1})
    assert pick(lenient, seen, [], 0.01) == 1
    folded = lenient.model_copy(update={"folds": 5})
    parts = [seen_of(clean[:, part::5], robust[:, part::5], seen.tuned, seen.baseline) for part in range(5)]
    assert pick(folded, seen, parts, 0.03) == 1
    assert pick(folded.model_copy(update={"lead": 1e6}), seen, parts, 0.03) == 0


def test_a_replay_judges_by_the_images_that_were_not_drawn() -> None:
    """The better candidate is more robust by 30 points; validation and judging images never overlap."""
    images = np.arange(200)
    found = Candidates(
        pair="p",
        seed=0,
        names=("plain", "ours"),
        clean=np.ones((2, 400), dtype=bool),
        robust=np.stack([images % 10 < 4, images % 10 < 7]),
        tuned=np.array([4, 6]),
        baseline=np.array([True, False]),
    )
    plan = PLAN.replay.model_copy(update={"validation_images": (100,), "draws": 20})
    (row,) = replay(found, {"today": TODAY}, plan, draws_seed=1)
    assert (row.near, row.plain, row.broken, row.clean) == (1.0, 0.0, 0.0, 0.0)
    assert row.gain == pytest.approx(0.3, abs=0.05)
    worse = replace(found, clean=np.stack([np.ones(400, dtype=bool), np.arange(400) >= 40]))
    always = Rule(leniency=100.0, reference="cleanest", lead=0.0, shrink="none", folds=0)
    (row,) = replay(worse, {"always": always}, plan, draws_seed=1)
    assert (row.broken, row.broken_points, row.near, row.near_robust) == (1.0, 1.0, 0.0, 1.0)


def test_a_candidate_is_stopped_where_no_likely_rise_would_save_it(committed: StudyResults) -> None:
    plain = last(committed.cells("fashion-high-low", 0, "plain")[0])
    none = (np.zeros(3), np.zeros(3))
    far = np.array([[plain.clean, plain.robust - 0.1]] * 3)
    assert stopped_after(far, plain, none, 2, 0.01) == 2
    assert stopped_after(far, plain, (np.zeros(3), np.array([0.2, 0.2, 0.0])), 2, 0.01) == 3
    near = np.array([[plain.clean - 0.005, plain.robust + 0.1]] * 3)
    assert stopped_after(near, plain, none, 2, 0.01) == 3


def test_the_committed_figures_are_of_the_plan(committed: StudyResults) -> None:
    found = read_figures()
    replayed = PLAN.replay
    places = {(one.pair, one.seed) for one in all_candidates(committed, replayed.counted_seeds)}
    expected = {
        (*place, n, rule) for place in places for n in replayed.validation_images for rule in found.taken()
    }
    assert {(row.pair, row.seed, row.images, row.rule) for row in found.counted} == expected
    assert len(found.counted) == len(expected)
    assert not set(replayed.tuning_seeds) & set(replayed.counted_seeds)
    allowed = next(trial for trial in found.trials if trial.family == "today").figures["broken"]
    for trial in found.trials:
        if trial.taken and trial.family != "plain":
            assert trial.figures["broken"] <= allowed
    assert [trial.rule for trial in found.trials] == [
        rule for family in PLAN.families.values() for rule in family.rules()
    ]


def test_one_pair_replayed_anew_gives_its_committed_rows(committed: StudyResults) -> None:
    found = read_figures()
    small = [one for one in all_candidates(committed, (1,)) if one.pair == "fashion-low-high-small"]
    plan = PLAN.replay.model_copy(update={"validation_images": (150,)})
    made = list(replay(small[0], {"today": TODAY}, plan, draws_seed=plan.counted_draws_seed))
    assert made == [
        row
        for row in found.counted
        if (row.pair, row.seed, row.images, row.rule) == ("fashion-low-high-small", 1, 150, "today")
    ]


def test_what_stopping_saves_is_computed_anew(committed: StudyResults) -> None:
    found = stopping(committed, PLAN)
    assert found == read_figures().stopping
    assert all(isinstance(row, Stopped) and row.stopped < row.candidates for row in found)


def test_a_rule_wins_only_where_it_is_nearer_and_breaks_no_more() -> None:
    def rows(rule: str, near: float, broken: float, gain: float) -> list[Judged]:
        zero = {"near_robust": 0.0, "less_robust": 0.0, "less_clean": 0.0, "clean": 0.0}
        return [
            Judged(
                pair="p",
                seed=seed,
                images=150,
                rule=rule,
                near=near + 0.01 * seed,
                gain=gain,
                broken=broken,
                broken_points=broken,
                plain=0.0,
                **zero,
            )
            for seed in range(3)
        ]

    today = rows("today", 0.6, 0.05, 0.1)
    for ours, wanted in (
        ((0.7, 0.05, 0.1), True),
        ((0.6, 0.05, 0.1), False),
        ((0.7, 0.06, 0.1), False),
        ((0.7, 0.05, 0.09), False),
    ):
        assert wins([*today, *rows("shrunk", *ours)], "shrunk", PLAN.decision) is wanted
    assert not wins([*today, *rows("shrunk, nearest", 0.9, 0.0, 0.2)], "shrunk, nearest", PLAN.decision)
    assert mean_of(today, "today", "near")[0] == pytest.approx(0.61)
