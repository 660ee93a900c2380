"""From the bytes of a request to a job that is ready to be stored: everything that can be refused is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from api.body import parse_json
from api.faults import as_written, field_errors
from api.problems import FieldError, Problem, invalid
from cartl_core.errors import SpecError
from cartl_core.resolve import resolve
from cartl_core.spec import JobRequest, JobSpec, digest
from jobs.estimate import estimate
from jobs.limits import check_size
from jobs.settings import Settings


@dataclass(frozen=True)
class Submission:
    """A valid request, what it resolves to, and what it will cost."""

    request: JobRequest
    spec: JobSpec
    estimate: dict[str, Any]

    @property
    def body_digest(self) -> str:
        """Equal for bodies that ask for the same, however they are written."""
        return digest(self.request)


def submission_of(body: bytes, settings: Settings) -> Submission:
    """The body as a job. Check it before a transaction is opened.

    Raises:
        Problem: the body is not JSON, or not a job that can run.
    """
    return prepare(parse_json(body), settings)


def prepare(value: object, settings: Settings) -> Submission:
    """Validate, resolve and estimate a parsed body, and hold it to this deployment's limits.

    Raises:
        Problem: 422, with the fields and what is allowed there.
    """
    try:
        request = JobRequest.model_validate(value)
        spec = resolve(request, settings.default_preset)
        cost = estimate(spec)
        check_size(spec, cost, settings)
    except ValidationError as error:
        raise invalid(field_errors(JobRequest, error, value)) from error
    except SpecError as error:
        raise _refused(error, value) from error
    return Submission(request=request, spec=spec, estimate=cost)


def _refused(error: SpecError, value: object) -> Problem:
    field = as_written(tuple(error.field.split(".")), value)
    return invalid((FieldError(field=field, message=error.message, allowed=error.allowed),))
