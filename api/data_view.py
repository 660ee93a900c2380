"""What an answer says of the data sets that a job needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from jobs.admission.needed_data import DataState, needed_data
from jobs.settings import Settings


class DataView(BaseModel):
    """A data set that a job needs, and whether its files are there."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    field: str = Field(description="Of the specification, e.g. `source`.")
    name: str
    state: DataState = Field(
        description="`present`; `download`: a run fetches it first, over the network; `missing`: no run "
        "will, so the job would fail; `unknown`: the workers alone can tell."
    )
    size: int | None = Field(ge=0, description="Bytes to be downloaded, where that is known.")
    host: str | None = Field(description="From which they come.")
    command: str | None = Field(description="What fetches the files by hand; null where they are there.")


def data_of(spec: Mapping[str, Any], settings: Settings) -> list[DataView]:
    """The data sets of a resolved specification."""
    return [DataView.model_validate(one) for one in needed_data(spec, settings)]


def data_of_all(specs: Iterable[Mapping[str, Any]], settings: Settings) -> list[DataView]:
    """The data sets of several resolved specifications, each once, under the field that names it first."""
    found: dict[str, DataView] = {}
    for spec in specs:
        for one in data_of(spec, settings):
            found.setdefault(one.name, one)
    return list(found.values())
