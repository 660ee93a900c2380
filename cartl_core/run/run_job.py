"""A job from Python, in this process: a request in, a report out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cartl_core.catalog.network_file import inspect
from cartl_core.data.own_dataset import CheckedDataset, Dataset
from cartl_core.errors import ArgumentInvalid
from cartl_core.events import Event, Reporter
from cartl_core.nn.network import Network
from cartl_core.planning.existing_network import resolve_existing_network
from cartl_core.planning.resolve import resolve
from cartl_core.report import Report
from cartl_core.run import pipeline
from cartl_core.run.own_objects import checked_datasets, with_datasets, with_network
from cartl_core.spec import JobRequest, JobSpec
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec, request_class
from cartl_core.spec.faults import first_fault
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
    datasets: Mapping[str, Dataset] | None = None,
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
        datasets: images of your own, by the names that ``dataset`` or ``source`` of ``request``, then a
            mapping, have for them.
        networks: networks of your own, by the name that ``network`` of a request of ``kind: evaluate`` has
            for one: in memory, or the path of a file.
        download: fetch a data set that is missing.
        report: told of everything that happens, see ``cartl_core.events``.

    Raises:
        SpecError: the request cannot be run as written; it names the field and what is allowed.
        JobError: the run failed in a way that would repeat.
    """
    out, stop = Path(out), StopFlag()
    file = None if network is None else Path(network)
    own = checked_datasets(datasets or {})
    if own or networks:
        request, file = _with_own(request, own, networks or {}, file, out)
    spec = _resolved(request, file)
    return pipeline.run(
        spec,
        cache=LocalStageCache(out / "stages", report, stop),
        data_root=Path(data_root),
        out=out,
        report=report,
        stop=stop,
        download=download,
        network=file,
        own_data={name: dataset.archive for name, dataset in own.items()},
    )


def _with_own(
    request: Request,
    own: Mapping[str, CheckedDataset],
    networks: Mapping[str, Network | str | Path],
    file: Path | None,
    out: Path,
) -> tuple[Request, Path | None]:
    """The request with a person's own objects in the place of their names, and the file to measure."""
    if not isinstance(request, Mapping):
        raise ArgumentInvalid(
            "request", f"is a {type(request).__name__}", allowed="a mapping, which may name your own objects"
        )
    if networks and file is not None:
        raise ArgumentInvalid("network", "networks has it already", allowed="either of them")
    request, own_file = with_network(with_datasets(request, own), networks, out)
    return request, own_file or file


def _resolved(request: Request, network: Path | None) -> JobSpec | EvaluateJobSpec:
    match request:
        case JobSpec() | EvaluateJobSpec():
            return request
        case JobRequest():
            return resolve(request)
        case EvaluateJobRequest():
            if network is None:
                raise ArgumentInvalid(
                    "network", "an evaluation needs a file", allowed="the path of a network"
                )
            return resolve_existing_network(request, inspect(network))
        case Mapping():
            return _resolved(_request(request), network)
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
