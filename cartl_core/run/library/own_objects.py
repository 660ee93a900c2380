"""What a person brings to a run: data sets, teachers and networks, checked and found by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cartl_core.catalog import DATASETS, model_facts
from cartl_core.catalog.network_families import refused_methods
from cartl_core.catalog.network_file import NetworkFile, inspect
from cartl_core.data.own_dataset import Dataset, check_dataset
from cartl_core.data.packed import Pack
from cartl_core.data.packed_images import archive_of_pack
from cartl_core.data.splits import DataSource
from cartl_core.errors import ArgumentInvalid, SpecError
from cartl_core.nn.files import save_network
from cartl_core.nn.network import Network
from cartl_core.planning.lookup import (
    KnownDataset,
    KnownTeacher,
    Lookup,
    unknown_dataset,
    unknown_teacher,
)
from cartl_core.spec import DataRequest, TeacherRequest
from cartl_core.spec.data_and_model import DATA_NAME
from cartl_core.spec.existing_network import NetworkRef
from cartl_core.spec.resources.dataset import DataFacts
from cartl_core.spec.resources.teacher import Normalisation, teacher_digest

NAME = re.compile(DATA_NAME)
OURS = "ours"
"""The layout of a file that ``save_network`` wrote."""


@dataclass(frozen=True)
class BroughtDataset:
    """A data set that a person handed over: its images in memory, or in a pack, which has a fingerprint."""

    facts: DataFacts
    images: DataSource
    fingerprint: str | None = None


@dataclass
class Brought:
    """All that was handed over with a request, found by the names that the request has for it.

    Attributes:
        datasets: by name or id.
        teachers: files, by name or id.
        used: names that were asked for.
    """

    datasets: Mapping[str, BroughtDataset] = field(default_factory=dict)
    teachers: Mapping[str, Path] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @property
    def lookup(self) -> Lookup:
        """Finds what was handed over."""
        return Lookup(self._dataset, self._teacher)

    @property
    def images(self) -> dict[str, DataSource]:
        """The images of all data sets, as ``pipeline.run`` takes them."""
        return {own.fingerprint or name: own.images for name, own in self.datasets.items()}

    def take_network(self, asked: NetworkRef) -> Path | None:
        """The file of the teacher that an evaluation measures."""
        if asked.teacher is None or asked.teacher not in self.teachers:
            return None
        self.used.add(f"teachers.{asked.teacher}")
        return self.teachers[asked.teacher]

    def refuse_unused(self) -> None:
        """Refuse what the request names nowhere.

        Raises:
            ArgumentInvalid: naming it.
        """
        for argument, names, where in (
            ("datasets", self.datasets, "dataset, datasets or source"),
            ("teachers", self.teachers, "teacher"),
        ):
            for name in names:
                if f"{argument}.{name}" not in self.used:
                    raise ArgumentInvalid(
                        f"{argument}.{name}",
                        "the request names it nowhere",
                        allowed=f"a name that stands in its {where}",
                    )

    def _dataset(self, asked: DataRequest, field_: str) -> KnownDataset:
        key = asked.id or asked.name
        if key is None or key not in self.datasets:
            raise unknown_dataset(asked, field_, tuple(self.datasets))
        own = self.datasets[key]
        self.used.add(f"datasets.{key}")
        return KnownDataset(asked.id, asked.name or key, own.fingerprint, own.facts)

    def _teacher(self, asked: TeacherRequest) -> KnownTeacher:
        if asked.id not in self.teachers:
            raise unknown_teacher(asked)
        self.used.add(f"teachers.{asked.id}")
        return teacher_in(self.teachers[asked.id], asked)


def teacher_in(file: Path, asked: TeacherRequest) -> KnownTeacher:
    """The teacher in a network file of ours; what a resolved request says of where it came from is kept.

    Raises:
        SpecError: the file cannot be read, is none of ours, or another than was asked for.
    """
    found = inspected(file, "teacher")
    architecture = found.architecture
    if asked.sha256 not in (None, found.sha256):
        raise SpecError("teacher.sha256", f"{file.name} is another file", allowed=found.sha256)
    normalisation = asked.normalisation or Normalisation(mean=architecture.mean, std=architecture.std)
    layout = asked.layout or OURS
    known = asked.digest if asked.sha256 else None
    return KnownTeacher(
        id=asked.id,
        name=asked.name or asked.id,
        digest=known or teacher_digest(found.sha256, layout, architecture, normalisation),
        sha256=found.sha256,
        layout=layout,
        architecture=architecture,
        normalisation=normalisation,
        blocks=model_facts(architecture.model.name).blocks,
        trained_at=asked.trained_at,
        verification=asked.verification if asked.sha256 else None,
        refused=refused_methods(architecture.model.name),
    )


def inspected(file: Path, field_: str) -> NetworkFile:
    """What a file says of itself.

    Raises:
        SpecError: it cannot be read, or is no network.
    """
    try:
        return inspect(file, field=field_)
    except OSError as error:
        raise SpecError(field_, f"{file.name} cannot be read: {error.strerror}") from error


def pack_in(directory: Path) -> BroughtDataset:
    """The data set that is kept in ``directory``.

    Raises:
        DatasetInvalid: it is not there, or damaged.
    """
    pack = Pack.open(directory)
    return BroughtDataset(DataFacts.of(pack.found), archive_of_pack(pack), pack.found.fingerprint)


def checked_datasets(given: Mapping[str, Dataset | str | Path]) -> dict[str, BroughtDataset]:
    """The data sets by name.

    Raises:
        ArgumentInvalid: a name is not usable or the catalog's, or a data set is not valid.
        DatasetInvalid: a path leads to no pack.
    """
    for name in given:
        _check_name("datasets", name, taken=name in DATASETS)
    return {name: _brought(name, dataset) for name, dataset in given.items()}


def _brought(name: str, given: Dataset | str | Path) -> BroughtDataset:
    if isinstance(given, str | Path):
        return pack_in(Path(given))
    checked = check_dataset(name, given)
    return BroughtDataset(checked.facts, checked.archive)


def checked_teachers(given: Mapping[str, str | Path]) -> dict[str, Path]:
    """The files of the teachers by name; they are looked at once a request names them.

    Raises:
        ArgumentInvalid: a name is not usable, or what it stands for is no path.
    """
    for name, file in given.items():
        _check_name("teachers", name, taken=False)
        if not isinstance(file, str | Path):
            raise ArgumentInvalid(
                f"teachers.{name}", f"is a {type(file).__name__}", allowed="the path of a network file"
            )
    return {name: Path(file) for name, file in given.items()}


def with_network(
    written: Mapping[str, Any], networks: Mapping[str, Network | str | Path], out: Path
) -> tuple[dict[str, Any], Path | None]:
    """The request with an empty ``network`` where it names one of ``networks``, and that one's file.

    Args:
        networks: each in memory, which is then written to a file below ``out``, or as a file.

    Raises:
        ArgumentInvalid: a name is not usable or the catalog's, is named nowhere, or is no network.
    """
    for name in networks:
        _check_name("networks", name, taken=_is_in_catalog(name))
    if not networks:
        return dict(written), None
    asked = written.get("network")
    if written.get("kind") != "evaluate" or not isinstance(asked, str) or asked not in networks:
        raise ArgumentInvalid(
            f"networks.{next(iter(networks))}",
            "the request names it nowhere",
            allowed="a name that stands as network of a request of kind evaluate; cartl_core.transfer tunes "
            "a network of your own",
        )
    return {**written, "network": {}}, _file(asked, networks[asked], out)


def _file(name: str, network: Network | str | Path, out: Path) -> Path:
    if isinstance(network, str | Path):
        return Path(network)
    if not isinstance(network, Network):
        raise ArgumentInvalid(
            f"networks.{name}",
            f"is a {type(network).__name__}",
            allowed="a network of load_network or transfer, or its file; evaluate_robustness measures any "
            "nn.Module",
        )
    path = out / "networks" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_network(path, network)
    except ValueError as error:
        raise ArgumentInvalid(f"networks.{name}", str(error)) from error
    return path


def _check_name(argument: str, name: object, *, taken: bool) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ArgumentInvalid(
            argument, f"{name!r} is no name", allowed="1 to 64 letters, digits, dots, hyphens and underscores"
        )
    if taken:
        raise ArgumentInvalid(
            f"{argument}.{name}", "the catalog has one of this name", allowed="another name"
        )


def _is_in_catalog(name: object) -> bool:
    try:
        return bool(model_facts(name)) if isinstance(name, str) else False
    except SpecError:
        return False
