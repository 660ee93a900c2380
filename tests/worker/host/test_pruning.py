"""Retention that runs by itself: off unless it is set, one worker at a time, once in so many days."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.dialect import FromNow
from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.tables import Lock
from worker.host.pruning import COMMAND, DAY, Pruning

Until = Callable[..., None]


def test_workers_do_not_prune_unless_they_are_told_to(factory: sessionmaker[Session]) -> None:
    assert Settings().prune_every_days is None
    assert not Pruning(None).look(factory)
    assert COMMAND[1:] == ("-m", "jobs", "prune")


def test_of_several_workers_one_prunes_once_in_so_many_days(
    factory: sessionmaker[Session], tmp_path: Path, until: Until
) -> None:
    made = tmp_path / "made"
    command = (sys.executable, "-c", f"open({str(made)!r}, 'a').write('x')")
    one, other = Pruning(1.0, command), Pruning(1.0, command)
    assert one.look(factory) and not other.look(factory) and not one.look(factory)
    one.begin()
    until(made.exists)
    with transaction(factory) as session:
        session.execute(update(Lock).values(expires_at=FromNow(-DAY)))
    assert other.look(factory)
    until(lambda: not one._runs())
    one.end()


def test_a_prune_under_way_is_not_begun_again_and_ends_with_its_worker(
    factory: sessionmaker[Session],
) -> None:
    one = Pruning(1.0, (sys.executable, "-c", "import time; time.sleep(600)"))
    assert one.look(factory)
    one.begin()
    with transaction(factory) as session:
        session.execute(update(Lock).values(expires_at=FromNow(-1)))
    assert not one.look(factory)
    one.end()
    assert one.look(factory)
