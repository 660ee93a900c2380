from __future__ import annotations

from itertools import product

import pytest

from jobs.errors import NotAllowed
from jobs.state import (
    TERMINAL,
    TRANSITIONS,
    WORDS,
    JobState,
    Move,
    diagram,
    reached,
    sources,
    target,
)

# Written out once more, by hand: the design's arrows.
ARROWS = {
    ("queued", "claim", "running"),
    ("queued", "cancel", "cancelled"),
    ("running", "complete", "succeeded"),
    ("running", "fail", "failed"),
    ("running", "requeue_after_crash", "queued"),
    ("running", "give_up", "failed"),
    ("running", "release", "queued"),
    ("running", "acknowledge", "cancelled"),
    ("failed", "retry", "queued"),
    ("cancelled", "retry", "queued"),
}


@pytest.mark.parametrize(("state", "move"), list(product(JobState, Move)))
def test_every_pair_of_state_and_move(state: JobState, move: Move) -> None:
    expected = [end for start, taken, end in ARROWS if (start, taken) == (state, move)]
    assert target(state, move) == (expected[0] if expected else None)
    assert (state in sources(move)) == bool(expected)


@pytest.mark.parametrize("move", Move)
def test_a_move_leads_to_one_state(move: Move) -> None:
    assert {target(state, move) for state in sources(move)} == {reached(move)}


def test_succeeded_never_changes_and_the_other_ends_are_left_by_retry_alone() -> None:
    assert [move for state, move in TRANSITIONS if state is JobState.SUCCEEDED] == []
    assert {move for state, move in TRANSITIONS if state in TERMINAL} == {Move.RETRY}
    assert {state for state in JobState if state.is_terminal} == {"succeeded", "failed", "cancelled"}


def test_the_diagram_has_every_arrow() -> None:
    drawn = diagram()
    for start, taken, end in ARROWS:
        assert f"    {start} --> {end}: {WORDS[Move(taken)]}" in drawn.splitlines()
    assert len([line for line in drawn.splitlines() if "-->" in line]) == len(ARROWS) + 2


def test_a_refusal_says_what_would_be_allowed() -> None:
    refused = NotAllowed(JobState.SUCCEEDED, Move.RETRY, sources(Move.RETRY))
    assert str(refused) == "a job that is succeeded cannot retry; allowed for: failed, cancelled"
