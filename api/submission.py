"""From the bytes of a request to a job that is ready to be stored: everything that can be refused is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from api.http.body import parse_json
from api.http.problems import FieldError, Problem, invalid, invalid_fields
from cartl_core.catalog.network_file import NetworkFile
from cartl_core.errors import SpecError
from cartl_core.planning.estimates.rates import MeasuredRate
from cartl_core.planning.lookup import CATALOG_ALONE, Lookup
from cartl_core.planning.networks.existing_network import resolve_existing_network
from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest, JobSpec, digest
from cartl_core.spec.existing_network import AnyRequest, EvaluateJobSpec, NetworkRef, request_class
from cartl_core.spec.faults import WHOLE, as_written, fields_in, is_written
from jobs.admission.estimate import estimate
from jobs.admission.limits import check_size
from jobs.settings import Settings


@dataclass(frozen=True)
class Submission:
    """A valid request, what it resolves to, and what it will cost."""

    request: AnyRequest
    spec: JobSpec | EvaluateJobSpec
    estimate: dict[str, Any]

    @property
    def body_digest(self) -> str:
        """Equal for bodies that ask for the same, however they are written."""
        return digest(self.request)


Find = Callable[[NetworkRef], NetworkFile]


def nothing_found(ref: NetworkRef) -> NetworkFile:
    """Where nobody has networks.

    Raises:
        SpecError: always.
    """
    raise SpecError("network", "there is no such network")


def submission_of(
    body: bytes,
    settings: Settings,
    find: Find,
    lookup: Lookup = CATALOG_ALONE,
    measured: Sequence[MeasuredRate] = (),
) -> Submission:
    """The body as a job. Check it before a transaction is opened.

    Raises:
        Problem: the body is not JSON, or not a job that can run.
    """
    return prepare(parse_json(body), settings, find, lookup, measured)


def prepare(
    value: object,
    settings: Settings,
    find: Find = nothing_found,
    lookup: Lookup = CATALOG_ALONE,
    measured: Sequence[MeasuredRate] = (),
) -> Submission:
    """Validate, resolve and estimate a parsed body, and hold it to this deployment's limits.

    Args:
        value: the parsed body.
        settings: of the deployment.
        find: gives the network that an evaluation names.
        lookup: gives the data sets and teachers that people brought.
        measured: what finished stages have shown of the time that work takes.

    Raises:
        Problem: 422, with the fields and what is allowed there.
    """
    kind: type[AnyRequest] = JobRequest
    try:
        kind = request_class(value)
        request = kind.model_validate(value)
        spec = _resolved(request, settings, find, lookup)
        cost = estimate(spec, measured)
        check_size(spec, cost, settings)
    except ValidationError as error:
        raise invalid_fields(kind, error, value) from error
    except SpecError as error:
        raise _refused(error, value, settings) from error
    return Submission(request=request, spec=spec, estimate=cost)


def _resolved(
    request: AnyRequest, settings: Settings, find: Find, lookup: Lookup
) -> JobSpec | EvaluateJobSpec:
    if isinstance(request, JobRequest):
        return resolve(request, settings.default_preset, lookup)
    return resolve_existing_network(request, find(request.network), settings.default_preset, lookup)


def _refused(error: SpecError, value: object, settings: Settings) -> Problem:
    """The error as of what was written; a value that nobody wrote comes from the preset, and that is said."""
    field = as_written(tuple(error.field.split(".")), value)
    message = error.message
    if (
        field != WHOLE
        and not is_written(field, value)
        and not any(is_written(name, value) for name in fields_in(message))
    ):
        preset = value.get("preset") if isinstance(value, dict) else None
        named = f"`preset`, {preset}" if preset else f"the preset {settings.default_preset}"
        message = f"{message} (it is not written here: it comes from {named})"
    return invalid((FieldError(field=field, message=message, allowed=error.allowed),))
