"""Data sets and teachers in the record: what jobs may name, what a check is told, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from cartl_core.errors import SpecError
from cartl_core.spec.datasets import DATASETS
from cartl_core.spec.resources.dataset import DatasetCheckOrder, DatasetCheckResult, NewDataset
from cartl_core.spec.resources.teacher import NewTeacher, TeacherCheckOrder, TeacherCheckResult
from jobs.database.dialect import Now
from jobs.errors import DatasetNotReady, ResourceNotFound
from jobs.files.root_folders import stamp_of
from jobs.resource_state import USABLE, DatasetState, State, TeacherState, source
from jobs.settings import MOST_ENTRIES, Settings
from jobs.store.change import plain, printable, storable
from jobs.store.resources.kinds import DATASET, PACK, TEACHER, R, ResourceKind, TaskKind, find_resource
from jobs.tables import Dataset, Job, Teacher


def dataset_of(session: Session, owner: str, name_or_id: str) -> Dataset:
    """The data set that a job of ``owner`` names: their own, or one that is shared with them.

    Raises:
        ResourceNotFound: there is none, or several that are shared have the name.
        DatasetNotReady: it cannot be used, or its folder has changed since it was checked.
    """
    found = usable(session, DATASET, owner, name_or_id)
    if found.root is not None and has_changed(found):
        raise DatasetNotReady(f"the folder of data set {found.name!r} has changed since it was checked")
    return found


def teacher_of(session: Session, owner: str, id_or_name: str) -> Teacher:
    """The teacher that a job of ``owner`` names: their own, or one that is shared with them.

    Raises:
        ResourceNotFound: there is none, or several that are shared have the name.
        TeacherNotReady: it was not taken in, or was rejected.
    """
    return usable(session, TEACHER, owner, id_or_name)


def usable(session: Session, kind: ResourceKind[R], owner: str, named: str) -> R:
    """As ``find_resource``, of one that a job may use."""
    found = find_resource(session, kind, owner, named, shared=True)
    if kind.states(found.state) not in USABLE:
        why = f": {found.message}" if found.message else ""
        raise kind.not_ready(f"{kind.noun} {found.name!r} is {found.state}{why}", state=found.state)
    return found


def hold_named(session: Session, spec: dict[str, Any]) -> None:
    """Let nobody delete what a specification names until this transaction, which writes its job, has ended.

    Raises:
        DatasetNotReady: a data set was deleted since it was looked up.
        TeacherNotReady: a teacher was.
        SpecError: the job whose network is measured was.
    """
    parts = [spec.get("dataset"), spec.get("source"), *(spec.get("datasets") or ())]
    datasets = {part["id"] for part in parts if isinstance(part, dict) and part.get("id")}
    given, network = spec.get("teacher"), spec.get("network")
    teachers = {given["id"]} if isinstance(given, dict) and given.get("id") else set()
    if isinstance(network, dict) and network.get("teacher"):
        teachers.add(network["teacher"])
    if isinstance(network, dict) and network.get("job"):
        _hold_job(session, network["job"])
    _hold(session, DATASET, datasets)
    _hold(session, TEACHER, teachers)


def _hold(session: Session, kind: ResourceKind[R], ids: set[str]) -> None:
    if not ids:
        return
    held = select(kind.table.id).where(kind.table.id.in_(ids)).with_for_update(read=True)
    if set(session.scalars(held)) != ids:
        raise kind.not_ready(f"a {kind.noun} that the job names was deleted meanwhile")


def _hold_job(session: Session, job_id: str) -> None:
    held = select(Job.id).where(Job.id == job_id).with_for_update(read=True)
    if session.scalar(held) is None:
        raise SpecError("network.job", "the job was deleted meanwhile", allowed="a job that has succeeded")


def folders(session: Session) -> Sequence[Dataset]:
    """Data sets that are folders of the server and that jobs may name."""
    ready = select(Dataset).where(Dataset.root.is_not(None), Dataset.state == DatasetState.READY)
    return session.execute(ready).scalars().all()


def mark_changed(session: Session, dataset_id: str) -> bool:
    """The folder is no longer as it was checked; False where that is known, or the data set is gone."""
    message = "the folder has changed since it was checked; delete this data set and register it again"
    return move(session, DATASET, dataset_id, DatasetState.CHANGED, message=message)


def has_changed(dataset: Dataset) -> bool:
    """Whether the folder of a data set of the server is another than when it was registered."""
    assert dataset.root is not None
    try:
        return stamp_of(Path(dataset.root), MOST_ENTRIES) != dataset.root_stamp
    except SpecError:
        return True


def move(
    session: Session,
    kind: ResourceKind[R],
    resource_id: str,
    reached: State,
    *guard: ColumnElement[bool],
    **columns: Any,
) -> bool:
    """Take the arrow of the state table that leads to ``reached``; False where it does not start there."""
    table = kind.table
    moved = session.execute(
        update(table)
        .where(table.id == resource_id, table.state == source(reached), *guard)
        .values(state=reached, updated_at=Now(), **columns)
        .returning(table.id)
        .execution_options(synchronize_session=False)
    )
    return moved.one_or_none() is not None


def apply_result(session: Session, kind: TaskKind, parent_id: str, result_json: dict[str, Any]) -> bool:
    """Store what a check has found; False where the data set or teacher has gone, or was checked before.

    Raises:
        ValidationError: ``result_json`` is no result of this kind of check.
    """
    result: DatasetCheckResult | TeacherCheckResult
    if kind == "check_dataset":
        result = DatasetCheckResult.model_validate(result_json, strict=False)
        return _store_result(session, DATASET, parent_id, DatasetState(result.state), result)
    result = TeacherCheckResult.model_validate(result_json, strict=False)
    return _store_result(session, TEACHER, parent_id, TeacherState(result.state), result)


def _store_result(
    session: Session,
    kind: ResourceKind[R],
    resource_id: str,
    reached: State,
    result: DatasetCheckResult | TeacherCheckResult,
) -> bool:
    return move(
        session,
        kind,
        resource_id,
        reached,
        reason=result.reason,
        message=None if result.message is None else printable(result.message),
        found=None if result.found is None else storable(plain(result.found)),
    )


def apply_failure(session: Session, kind: TaskKind, parent_id: str, reason: str, message: str) -> bool:
    """A check that could not be done, however often it was tried: the data set or teacher is rejected."""
    why = {"reason": printable(reason, 64), "message": printable(message)}
    if kind == "check_dataset":
        return move(session, DATASET, parent_id, DatasetState.REJECTED, **why)
    return move(session, TEACHER, parent_id, TeacherState.REJECTED, **why)


def order_of(session: Session, settings: Settings, kind: TaskKind, parent_id: str) -> dict[str, Any]:
    """What the child that does a check needs, as JSON.

    ``order``: a ``DatasetCheckOrder`` or ``TeacherCheckOrder``. ``content``: key of the bytes in the store;
    null where ``root`` is the folder to look at. ``verify``: null, or the data set to measure on: its
    ``dataset`` (name), ``id`` and ``pack`` (key); both null where it is the catalog's.

    Raises:
        ResourceNotFound: it has gone; or the data set to verify on has: reject the teacher.
        DatasetNotReady: the data set to verify on cannot be used: reject the teacher.
    """
    if kind == "check_dataset":
        dataset = _row(session, Dataset, parent_id)
        return {
            "order": plain(_dataset_order(dataset, settings)),
            "content": dataset.content,
            "root": dataset.root,
            "verify": None,
        }
    teacher = _row(session, Teacher, parent_id)
    new = NewTeacher.model_validate(teacher.asked, strict=False)
    return {
        "order": plain(TeacherCheckOrder(new=new, sha256=teacher.sha256 or "")),
        "content": teacher.content,
        "root": None,
        "verify": None if new.verify is None else verified_on(session, teacher.owner_id, new.verify.dataset),
    }


def verified_on(session: Session, owner: str, dataset: str) -> dict[str, str | None]:
    """The data set that a teacher of ``owner`` is measured on, see ``order_of``."""
    if dataset in DATASETS:
        return {"dataset": dataset, "id": None, "pack": None}
    found = dataset_of(session, owner, dataset)
    return {"dataset": found.name, "id": found.id, "pack": DATASET.key(found.id, PACK)}


def _dataset_order(dataset: Dataset, settings: Settings) -> DatasetCheckOrder:
    new = NewDataset.model_validate(dataset.asked, strict=False)
    return DatasetCheckOrder(
        name=dataset.name,
        format=new.format,
        test_fraction=new.test_fraction,
        split_seed=new.split_seed,
        limits=settings.dataset_limits,
    )


def _row(session: Session, table: type[R], resource_id: str) -> R:
    found = session.get(table, resource_id, populate_existing=True)
    if found is None:
        raise ResourceNotFound(resource_id=resource_id)
    return found
