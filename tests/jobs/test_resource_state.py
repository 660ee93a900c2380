"""The states of data sets and teachers: every pair of states is an arrow or is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, get_args

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.spec.resources import dataset, teacher
from jobs.database.dialect import FromNow
from jobs.resource_state import (
    REASONS,
    TRANSITIONS,
    USABLE,
    DatasetState,
    State,
    TeacherState,
    source,
)
from jobs.settings import Settings
from jobs.store.resources.kinds import DATASET, TEACHER, ResourceKind
from jobs.store.resources.record import move
from jobs.tables import Dataset, Teacher

KIND_OF: dict[type[State], ResourceKind[Any]] = {DatasetState: DATASET, TeacherState: TEACHER}
FAILURES = {"worker_lost", "check_failed", "order_refused", "out_of_memory", "timeout"}
"""Of checks that could not be done."""
PAIRS = [pair for states in (DatasetState, TeacherState) for pair in product(states, states)]


def test_states_and_reasons_are_those_of_the_values_between_the_parts() -> None:
    assert set(DatasetState) == set(get_args(dataset.DatasetState))
    assert set(TeacherState) == set(get_args(teacher.TeacherState))
    rejections = {*get_args(dataset.DatasetRejection), *get_args(teacher.TeacherRejection)}
    assert rejections | FAILURES == set(REASONS)


def test_every_state_but_the_first_is_reached_from_one_other() -> None:
    for states, table in TRANSITIONS.items():
        assert sorted(table.values()) == sorted(set(states) - {states("receiving")})
        assert len({(state, step) for state, step in table}) == len(table)
    assert {"ready", "verified", "unverified"} == USABLE


@pytest.fixture
def row(settings: Settings, factory: sessionmaker[Session]) -> Callable[[State], str]:
    def make(state: State) -> str:
        table: type[Dataset] | type[Teacher] = KIND_OF[type(state)].table
        with factory.begin() as session:
            made: dict[str, Any] = {"origin": "upload", "asked": {}, "size": 1}
            expiry = {"expires_at": FromNow(60.0)} if state == "receiving" else {}
            session.add(table(id="a", owner_id="ann", name="a", state=state, **made, **expiry))
        return "a"

    return make


@pytest.mark.parametrize(("start", "end"), PAIRS, ids=str)
def test_a_move_is_made_along_an_arrow_and_nowhere_else(
    row: Callable[[State], str], factory: sessionmaker[Session], start: State, end: State
) -> None:
    arrow = any(state is start and target is end for (state, _), target in TRANSITIONS[type(start)].items())
    resource_id = row(start)
    kind = KIND_OF[type(start)]
    if end == "receiving":
        with pytest.raises(StopIteration):
            source(end)
        return
    with factory.begin() as session:
        leaves = {"expires_at": None} if start == "receiving" else {}
        assert move(session, kind, resource_id, end, **leaves) is arrow
    with factory() as session:
        assert session.get_one(kind.table, resource_id).state == (end if arrow else start)
