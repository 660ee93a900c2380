"""What jobs name of what people brought: data sets kept as packs, teachers kept as network files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from sqlalchemy.orm import Session

from cartl_core.catalog.network_file import NetworkFile, inspect
from cartl_core.errors import SpecError
from cartl_core.planning.lookup import KnownDataset, KnownTeacher, unknown_dataset, unknown_teacher
from cartl_core.spec import DataRequest, DataSpec, JobSpec, TeacherRequest
from cartl_core.spec.existing_network import EvaluateJobSpec
from cartl_core.spec.resources.dataset import DataFacts, FoundDataset
from cartl_core.spec.resources.samples import SAMPLES
from cartl_core.spec.resources.teacher import FoundTeacher, NewTeacher
from cartl_core.storage.bucket import StoreUnavailable
from jobs.errors import ResourceNotFound
from jobs.files.kept_file import KeptFile
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.store.resources.kinds import DATASET, NETWORK, PACK, TEACHER
from jobs.store.resources.record import dataset_of, teacher_of
from jobs.tables import Dataset, Teacher

FILES_KNOWN = 256
"""Network files whose headers and digests are remembered while nobody writes to them."""


def known_dataset(session: Session, owner: str, asked: DataRequest, field: str) -> KnownDataset:
    """The data set of ``owner``, or shared with them, that ``field`` of a request names.

    Raises:
        SpecError: there is none.
        DatasetNotReady: it cannot be used.
    """
    named = asked.id or asked.name
    try:
        row = dataset_of(session, owner, named or "")
    except ResourceNotFound as error:
        raise _refused(unknown_dataset(asked, field), error) from error
    if row.found is None or (asked.id is not None and row.id != asked.id):
        raise unknown_dataset(asked, field)
    return _dataset(row, row.found)


def _dataset(row: Dataset, told: dict[str, object]) -> KnownDataset:
    found = FoundDataset.model_validate(told, strict=False)
    facts = DataFacts.of(found, licence=row.asked.get("licence"))
    return KnownDataset(row.id, row.name, found.fingerprint, facts)


def sheet_of_samples(settings: Settings, dataset_id: str) -> KeptFile | None:
    """The picture of some images of each class; None where the check made none, or has not ended."""
    sheet = KeptFile(artifact_store(settings), DATASET.key(dataset_id, f"{PACK}/{SAMPLES}"))
    return sheet if sheet.store.exists(sheet.key) else None


def known_teacher(session: Session, settings: Settings, owner: str, asked: TeacherRequest) -> KnownTeacher:
    """The teacher of ``owner``, or shared with them, that a request names by id or name.

    Raises:
        SpecError: there is none, or its file is gone.
        TeacherNotReady: it cannot be used.
    """
    try:
        row = teacher_of(session, owner, asked.id)
    except ResourceNotFound as error:
        raise _refused(unknown_teacher(asked), error) from error
    if row.found is None:
        raise unknown_teacher(asked)
    asked_for = NewTeacher.model_validate(row.asked, strict=False)
    return KnownTeacher.of(
        row.id,
        row.name,
        FoundTeacher.model_validate(row.found, strict=False),
        sha256=teacher_file(settings, row).sha256,
        trained_at=asked_for.trained_at,
        licence=asked_for.licence,
    )


def teacher_file(settings: Settings, row: Teacher, *, field: str = "teacher") -> NetworkFile:
    """What the network file of a teacher says of itself.

    Raises:
        SpecError: it is gone, or damaged.
    """
    try:
        file = KeptFile(artifact_store(settings), TEACHER.key(row.id, NETWORK))
        return _inspected(file, field, file.stamp())
    except StoreUnavailable:
        raise
    except OSError as error:
        raise SpecError(field, f"the file of teacher {row.name} is gone") from error


@lru_cache(maxsize=FILES_KNOWN)
def _inspected(file: KeptFile, field: str, stamp: str) -> NetworkFile:
    """``stamp`` is another one once the file was written to."""
    with file.store.local_copy(file.key) as path:
        return inspect(path, field=field)


def _refused(error: SpecError, why: ResourceNotFound) -> SpecError:
    return SpecError(error.field, str(why), allowed=error.allowed)


def packs_of(spec: JobSpec | EvaluateJobSpec) -> tuple[tuple[str, str], ...]:
    """The data sets that people brought which a job reads: ids, and the keys of their packs in the store."""
    named: Iterable[DataSpec | None]
    if isinstance(spec, JobSpec):
        named = (spec.dataset, spec.source)
    else:
        named = (spec.dataset, *(one.dataset for one in spec.further))
    ids = dict.fromkeys(data.id for data in named if data is not None and data.id is not None)
    return tuple((id_, DATASET.key(id_, PACK)) for id_ in ids)


def teacher_of_spec(spec: JobSpec | EvaluateJobSpec) -> str | None:
    """The key of the network file of the teacher that a transfer is given; None where it is given none."""
    given = spec.teacher if isinstance(spec, JobSpec) else None
    return None if given is None else TEACHER.key(given.id, NETWORK)
