"""What planning asks of whoever keeps data sets and teachers of people: a database, or a call's arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cartl_core.catalog import DATASETS
from cartl_core.errors import SpecError
from cartl_core.spec import DataRequest, TeacherRequest
from cartl_core.spec.architecture import Architecture
from cartl_core.spec.resources.dataset import DataFacts
from cartl_core.spec.resources.teacher import FoundTeacher, Normalisation, TrainedAt, Verification

Own = tuple[str, ...]


@dataclass(frozen=True)
class KnownDataset:
    """A data set that a person brought, ready to be used.

    Attributes:
        id: None where nobody keeps it.
        fingerprint: None of images in memory, which are known by their name.
    """

    id: str | None
    name: str
    fingerprint: str | None
    facts: DataFacts


@dataclass(frozen=True)
class KnownTeacher:
    """A teacher that a person brought, ready to be used.

    Attributes:
        digest: ``spec.resources.teacher.teacher_digest`` of it.
        sha256: of its network file.
        blocks: of the network, its head included.
        refused: methods that do not work from it, and why.
    """

    id: str
    name: str
    digest: str
    sha256: str
    layout: str
    architecture: Architecture
    normalisation: Literal["none"] | Normalisation
    blocks: int
    trained_at: TrainedAt | None = None
    verification: Verification | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    licence: str | None = None

    @classmethod
    def of(
        cls,
        id_: str,
        name: str,
        found: FoundTeacher,
        *,
        sha256: str,
        trained_at: TrainedAt | None,
        licence: str | None = None,
    ) -> KnownTeacher:
        """One whose check found ``found``; ``sha256`` is of the network file that was kept."""
        return cls(
            id=id_,
            name=name,
            digest=found.digest,
            sha256=sha256,
            layout=found.layout,
            architecture=found.architecture,
            normalisation=found.normalisation,
            blocks=len(found.blocks),
            trained_at=trained_at,
            verification=found.verification,
            refused=found.refused,
            licence=licence,
        )


def unknown_dataset(asked: DataRequest, field_: str, own: Own = ()) -> SpecError:
    """No data set of the catalog has that name, and none of the caller's that name or id."""
    where = "id" if asked.id is not None else "name"
    return SpecError(
        f"{field_}.{where}",
        f"there is no data set {asked.id or asked.name!r}",
        allowed=f"{', '.join((*DATASETS, *own))}, or the name or id of a data set of your own",
    )


def unknown_teacher(asked: TeacherRequest) -> SpecError:
    """None of the caller's teachers has that id or name."""
    return SpecError(
        "teacher.id", f"there is no teacher {asked.id!r}", allowed="the id or name of a teacher of your own"
    )


def no_datasets(asked: DataRequest, field_: str) -> KnownDataset:
    """Where there are none but the catalog's.

    Raises:
        SpecError: always.
    """
    raise unknown_dataset(asked, field_)


def no_teachers(asked: TeacherRequest) -> KnownTeacher:
    """Where there are none.

    Raises:
        SpecError: always.
    """
    raise unknown_teacher(asked)


@dataclass(frozen=True)
class Lookup:
    """Finds what a request names beside the catalog.

    Attributes:
        dataset: of a request and its field, for errors, which are ``SpecError``.
        teacher: of a request; likewise.
    """

    dataset: Callable[[DataRequest, str], KnownDataset] = no_datasets
    teacher: Callable[[TeacherRequest], KnownTeacher] = no_teachers

    def __repr__(self) -> str:
        """By the names of its functions, so that documents of it are the same each time."""
        return f"Lookup({', '.join(getattr(one, '__name__', '...') for one in (self.dataset, self.teacher))})"


CATALOG_ALONE = Lookup()
