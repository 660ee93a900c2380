"""From the bytes of a request to a sweep that is ready to be stored: every job of it is checked first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from api.http.body import parse
from api.http.problems import FieldError, Problem, invalid
from cartl_core.errors import SpecError
from cartl_core.planning.estimates.rates import MeasuredRate
from cartl_core.planning.lookup import CATALOG_ALONE, Lookup
from cartl_core.planning.resolve import resolve
from cartl_core.planning.sweep_grid import Cell, cells
from cartl_core.spec import JobRequest, digest
from cartl_core.spec.faults import first_fault
from cartl_core.spec.sweep import SweepRequest
from jobs.admission.estimate import estimate, estimate_together
from jobs.admission.limits import check_size
from jobs.settings import Settings
from jobs.store.sweeps import Planned


@dataclass(frozen=True)
class SweepSubmission:
    """A valid request, its jobs, and what they will cost together."""

    request: SweepRequest
    planned: tuple[Planned, ...]
    estimate: Mapping[str, Any]

    @property
    def body_digest(self) -> str:
        """Equal for bodies that ask for the same, however they are written."""
        return digest(self.request)


def sweep_of(
    body: bytes,
    settings: Settings,
    lookup: Lookup = CATALOG_ALONE,
    measured: Sequence[MeasuredRate] = (),
) -> SweepSubmission:
    """The body as a sweep. Check it before a transaction is opened.

    Raises:
        Problem: the body is not JSON, or not a sweep all of whose jobs can run; the fields are those of
            the sweep: `grid.beta.1`, `base.transfer.lr`.
    """
    request = parse(SweepRequest, body)
    try:
        found = cells(request, settings.max_jobs_per_sweep, settings.default_preset, lookup)
    except SpecError as error:
        raise _refused(error) from error
    planned = tuple(_planned(cell, settings, lookup, measured) for cell in found)
    together = estimate_together([one.spec for one in planned], measured)
    return SweepSubmission(request, planned, together)


def _planned(cell: Cell, settings: Settings, lookup: Lookup, measured: Sequence[MeasuredRate]) -> Planned:
    try:
        request = JobRequest.model_validate(cell.request)
        spec = resolve(request, settings.default_preset, lookup)
        cost = estimate(spec, measured)
        check_size(spec, cost, settings)
    except ValidationError as error:
        raise _refused(cell.refused(first_fault(JobRequest, error, cell.request))) from error
    except SpecError as error:
        raise _refused(cell.refused(error)) from error
    return Planned(request, spec, cost)


def _refused(error: SpecError) -> Problem:
    return invalid((FieldError(field=error.field, message=error.message, allowed=error.allowed),))
