"""A job from Python, in this process: a request in, a report out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cartl_core.data.own_dataset import Dataset
from cartl_core.errors import ArgumentInvalid
from cartl_core.events import Event, Reporter
from cartl_core.nn.network import Network
from cartl_core.planning.networks.existing_network import resolve_existing_network
from cartl_core.planning.resolve import resolve
from cartl_core.report import Report
from cartl_core.run import pipeline
from cartl_core.run.library.own_objects import (
    Brought,
    checked_datasets,
    checked_teachers,
    inspected,
    with_network,
)
from cartl_core.run.side_by_side import in_turn
from cartl_core.spec import JobRequest, JobSpec
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec, request_class
from cartl_core.spec.faults import first_fault
from cartl_core.storage.shared_arrays import FOLDER, SharedArrays
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stop_flag import StopFlag

Request = JobRequest | EvaluateJobRequest | JobSpec | EvaluateJobSpec | Mapping[str, Any]


def quiet(_: Event) -> None:
    """A reporter that tells nobody."""


def run(
    request: Request,
    *,
    out: str | Path,
    data_root: str | Path = "data",
    network: str | Path | None = None,
    datasets: Mapping[str, Dataset | str | Path] | None = None,
    teachers: Mapping[str, str | Path] | None = None,
    networks: Mapping[str, Network | str | Path] | None = None,
    download: bool = True,
    report: Reporter = quiet,
) -> Report:
    """Run a job on this machine; stages that ``out`` has already are not computed again.

    Sets the process's number of threads and torch's deterministic mode, as every run does.

    Args:
        request: what a person would post, as a value or a mapping, or a resolved specification.
        out: folder for the report, the student's weights and, in ``stages``, everything computed.
        data_root: the folder that holds the data sets, or gets them.
        network: the file that an evaluation measures; only for ``kind: evaluate``.
        datasets: images of your own, by the names that ``dataset`` or ``source`` of ``request`` have for
            them: in memory, or the directory of a pack.
        teachers: network files, by the name or id that ``teacher`` of ``request``, or the ``teacher`` of its
            ``network``, has for one.
        networks: networks of your own, by the name that ``network`` of a request of ``kind: evaluate`` has
            for one: in memory, or the path of a file.
        download: fetch a data set that is missing.
        report: told of everything that happens, see ``cartl_core.events``; one event at a time, but from
            other threads where stages are computed at the same time.

    Raises:
        SpecError: the request cannot be run as written; it names the field and what is allowed.
        JobError: the run failed in a way that would repeat.
    """
    out, stop = Path(out), StopFlag()
    file = None if network is None else Path(network)
    brought = Brought(checked_datasets(datasets or {}), checked_teachers(teachers or {}))
    if networks:
        request, file = _with_networks(request, networks, file, out)
    spec = _resolved(request, file, brought)
    brought.refuse_unused()
    stages, report = out / "stages", in_turn(report)
    return pipeline.run(
        spec,
        cache=LocalStageCache(stages, report, stop),
        shared=SharedArrays(stages / FOLDER),
        data_root=Path(data_root),
        out=out,
        report=report,
        stop=stop,
        download=download,
        network=file or _file_of_teacher(spec, brought),
        own_data=brought.images,
    )


def _with_networks(
    request: Request, networks: Mapping[str, Network | str | Path], file: Path | None, out: Path
) -> tuple[Request, Path | None]:
    """The request with no name in the place of a person's own network, and the file to measure."""
    if not isinstance(request, Mapping):
        raise ArgumentInvalid(
            "request", f"is a {type(request).__name__}", allowed="a mapping, which may name your own objects"
        )
    if file is not None:
        raise ArgumentInvalid("network", "networks has it already", allowed="either of them")
    return with_network(request, networks, out)


def _file_of_teacher(spec: JobSpec | EvaluateJobSpec, brought: Brought) -> Path | None:
    match spec:
        case JobSpec():
            asked = spec.teacher.id if spec.teacher else None
        case EvaluateJobSpec():
            asked = spec.network.teacher
    return None if asked is None else brought.teachers.get(asked)


def _resolved(request: Request, network: Path | None, brought: Brought) -> JobSpec | EvaluateJobSpec:
    match request:
        case JobSpec() | EvaluateJobSpec():
            # What was handed over is held to what the specification says of it.
            if brought.datasets or brought.teachers:
                return _resolved(request.model_dump(mode="json"), network, brought)
            return request
        case JobRequest():
            return resolve(request, lookup=brought.lookup)
        case EvaluateJobRequest():
            file = network or brought.take_network(request.network)
            if file is None:
                raise ArgumentInvalid(
                    "network", "an evaluation needs a file", allowed="the path of a network"
                )
            return resolve_existing_network(request, inspected(file, "network"), lookup=brought.lookup)
        case Mapping():
            return _resolved(_request(request), network, brought)
        case _:
            raise ArgumentInvalid(
                "request", f"is a {type(request).__name__}", allowed="a JobRequest, a JobSpec or a mapping"
            )


def _request(written: Mapping[str, Any]) -> JobRequest | EvaluateJobRequest:
    kind = request_class(written)
    try:
        return kind.model_validate(dict(written))
    except ValidationError as error:
        raise first_fault(kind, error, dict(written), whole="request") from error
