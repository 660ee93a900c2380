"""A job and the deletion of what it names: one of the two comes first, and the other one is refused."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.spec.resources.dataset import NewDataset
from cartl_core.spec.resources.teacher import NewTeacher
from jobs.errors import DatasetNotReady, ResourceInUse, ResourceNotFound, TeacherNotReady
from jobs.settings import Settings
from jobs.store.resources.kinds import DATASET, TEACHER
from jobs.store.resources.lists import forget
from jobs.store.resources.receiving import announce
from jobs.store.resources.record import hold_named
from jobs.tables import Job
from tests.factories import add_job

Factory = sessionmaker[Session]


@pytest.fixture
def dataset(settings: Settings, factory: Factory) -> str:
    with factory.begin() as session:
        return announce(session, settings, DATASET, "ann", NewDataset(name="a", size=1))[0].id


@pytest.mark.parametrize("field", ["dataset", "source", "datasets"])
def test_a_data_set_that_was_deleted_is_refused_wherever_it_is_named(
    factory: Factory, dataset: str, field: str
) -> None:
    part: Any = {"id": dataset, "name": "a"}
    spec = {field: [part] if field == "datasets" else part}
    with factory.begin() as session:
        hold_named(session, spec)
        forget(session, DATASET, "ann", dataset)
    with factory.begin() as session, pytest.raises(DatasetNotReady, match="deleted meanwhile"):
        hold_named(session, spec)


def test_a_teacher_that_was_deleted_is_refused_wherever_it_is_named(
    settings: Settings, factory: Factory
) -> None:
    with factory.begin() as session:
        teacher = announce(session, settings, TEACHER, "ann", NewTeacher(name="a", size=1))[0].id
    specs: list[dict[str, Any]] = [{"teacher": {"id": teacher}}, {"network": {"teacher": teacher}}]
    for spec in specs:
        with factory.begin() as session:
            hold_named(session, spec)
    with factory.begin() as session:
        forget(session, TEACHER, "ann", teacher)
    for spec in specs:
        with factory.begin() as session, pytest.raises(TeacherNotReady):
            hold_named(session, spec)


def test_a_specification_that_names_nothing_of_people_holds_nothing(factory: Factory) -> None:
    with factory.begin() as session:
        hold_named(
            session, {"dataset": {"name": "digits", "id": None}, "teacher": None, "network": {"upload": "x"}}
        )


def test_a_deletion_waits_for_the_job_that_names_the_data_set(
    settings: Settings, factory: Factory, dataset: str
) -> None:
    ended: list[str] = []
    begun = threading.Event()

    def delete() -> None:
        begun.set()
        try:
            with factory.begin() as session:
                forget(session, DATASET, "ann", dataset)
            ended.append("deleted")
        except (ResourceInUse, ResourceNotFound) as error:
            ended.append(type(error).__name__)

    thread = threading.Thread(target=delete)
    with factory.begin() as session:
        job = add_job(session)
        hold_named(session, {"dataset": {"id": dataset}})
        thread.start()
        assert begun.wait(60)
        thread.join(0.3)
        assert ended == [], "it waits until the job is written"
        session.get_one(Job, job.id).spec = {**job.spec, "dataset": {"id": dataset}}
    thread.join(60)
    assert ended == ["ResourceInUse"]
