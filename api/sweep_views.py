"""Responses about sweeps."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, WithJsonSchema

from api.data_view import DataView
from api.schemas import STANDS_FOR, EstimateView, View
from cartl_core.statistics.sweep_summary import SweepTable
from jobs.state import JobState
from jobs.store.sweeps import SweepState
from jobs.tables import Sweep

# Kept as it was stored, like a job's specification.
SweepJson = Annotated[dict[str, Any], WithJsonSchema({STANDS_FOR: ["SweepRequest"]})]
GridJson = Annotated[dict[str, Any], WithJsonSchema({STANDS_FOR: ["Grid"]})]


class SweepLinks(View):
    """Where the parts of a sweep are."""

    self: str
    jobs: str
    cancel: str

    @classmethod
    def of(cls, sweep_id: str) -> Self:
        """Paths of one sweep's parts."""
        base = f"/sweeps/{sweep_id}"
        return cls(self=base, jobs=f"/jobs?sweep={sweep_id}", cancel=f"{base}/cancel")


class SweepBrief(View):
    """A sweep in a list."""

    id: str
    name: str | None
    grid: GridJson
    margin: float
    jobs: int
    states: dict[JobState, int] = Field(description="How many of its jobs are where.")
    fraction: float = Field(ge=0, le=1, description="Done, of all jobs, each counted alike.")
    created_at: datetime
    links: SweepLinks

    @classmethod
    def columns_of(cls, sweep: Sweep, state: SweepState) -> dict[str, Any]:
        """The values that a row and the states of its jobs give."""
        return {
            "id": sweep.id,
            "name": sweep.name,
            "grid": sweep.grid,
            "margin": sweep.margin,
            "jobs": state.jobs,
            "states": dict(state.counts),
            "fraction": state.fraction,
            "created_at": sweep.created_at,
            "links": SweepLinks.of(sweep.id),
        }

    @classmethod
    def of(cls, sweep: Sweep, state: SweepState) -> Self:
        """A row as a list shows it."""
        return cls(**cls.columns_of(sweep, state))


class SweepView(SweepBrief):
    """A sweep: where its jobs are, and what they have found so far."""

    request: SweepJson
    table: SweepTable

    @classmethod
    def whole(cls, sweep: Sweep, state: SweepState, table: SweepTable) -> Self:
        """A row with all that its jobs tell."""
        return cls(**cls.columns_of(sweep, state), request=sweep.request, table=table)


class SweepDryRun(View):
    """What a sweep would become; nothing was stored."""

    combinations: int = Field(description="Of the grid.")
    jobs: int = Field(description="That would be made: of combinations that are the same job, one.")
    teachers: int = Field(description="Distinct ones: each is trained once, whichever jobs need it.")
    estimate: EstimateView = Field(description="Of all jobs together; shared teachers count once.")
    data: list[DataView] = Field(description="What its jobs need, each data set once.")
