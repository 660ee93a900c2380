"""What a service may answer: JSON objects whose fields, where they are there, have these types.

Whoever answers need not be the service: it may be a proxy's page, or another version. What does not fit is a
``ServiceError`` that says so.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from cartl.http.problems import NotTheService
from cartl_core.strict_json import ANSWER, JsonRefused, loads

S = TypeVar("S", bound="Shape")


class Answer(dict[str, Any]):
    """A JSON object; a field that it lacks is the service's fault."""

    def __missing__(self, name: str) -> Any:
        raise not_the_service(f"its answer has no field {name!r}")


class Shape(BaseModel):
    """An object: other fields may be there, and those that are named may be left out."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class NeededData(Shape):
    """A data set that a job needs, and whether its files are there."""

    field: str = ""
    name: str = ""
    state: str = ""
    size: int | None = None
    host: str | None = None
    command: str | None = None


class Job(Shape):
    """A job, whole or as a list has it."""

    id: str = ""
    state: str = ""
    name: str | None = None
    reason: str | None = None
    message: str | None = None
    stage: str | None = None
    stage_label: str | None = None
    fraction: float | None = None
    seconds_left: float | None = None
    images_per_second: float | None = None
    queue_position: int | None = None
    spec: dict[str, JsonValue] | None = None
    spec_digest: str = ""
    estimate: dict[str, JsonValue] | None = None
    data: list[NeededData] | None = None


class NeedsData(Shape):
    """What an answer says of them."""

    data: list[NeededData] | None = None


class Sweep(Shape):
    """A sweep."""

    id: str = ""
    jobs: int = 0
    states: dict[str, int] = {}
    fraction: float | None = None


class Resource(Shape):
    """What a data set and a teacher have in common."""

    id: str = ""
    name: str | None = None
    origin: str = ""
    state: str = ""
    reason: str | None = None
    message: str | None = None
    fraction: float | None = None
    licence: str | None = None


class Skipped(Shape):
    """A file that is not in a data set."""

    path: str = ""
    reason: str = ""


class Warning(Shape):  # noqa: A001
    """Something that a person should know of the data."""

    code: str = ""
    message: str = ""


class Looked(Shape):
    """What was found while every file was looked at."""

    files: int = 0
    taken: int = 0
    skipped: list[Skipped] = []
    skipped_by_reason: dict[str, int] = {}
    duplicates: int = 0
    shared_train_test: int = 0
    warnings: list[Warning] = []


class Dataset(Resource):
    """A data set."""

    fingerprint: str | None = None
    channels: int | None = None
    classes: list[str] | None = None
    counts: dict[str, list[int]] | None = None
    sizes: dict[str, list[int]] | None = None
    mean: list[float] | None = None
    std: list[float] | None = None
    defaults: dict[str, float | str | None] | None = None
    report: Looked | None = None


class Block(Shape):
    """One block of a network."""

    name: str = ""
    parameters: int = 0
    macs: int = 0


class Measured(Shape):
    """A share of images with its 95 % interval."""

    value: float = 0.0
    low: float = 0.0
    high: float = 0.0


class Verification(Shape):
    """What was measured of a teacher."""

    dataset: str = ""
    n: int = 0
    clean: Measured = Measured()
    robust: Measured = Measured()
    attack: str = ""


class Teacher(Resource):
    """A teacher."""

    digest: str | None = None
    layout: str | None = None
    label: str | None = None
    blocks: list[Block] | None = None
    methods: list[str] | None = None
    refused: dict[str, str] | None = None
    verification: Verification | None = None


class Event(Shape):
    """One event of a job."""

    number: int = 0
    type: str = ""


class Artifact(Shape):
    """A file of a job. Its name becomes a file's name here, so that it must be a plain one."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Problem(Shape):
    """Why a stream ended before its job: a problem document (RFC 9457)."""

    status: int
    title: str | None = None
    detail: str | None = None


class Page(Shape):
    """A page of a list."""

    data: list[dict[str, JsonValue]] = []
    next_cursor: str | None = None


def read_answer(body: bytes, what: str, shape: type[S]) -> Answer:
    """The object in the body of an answer.

    Args:
        body: as it came.
        what: whose answer it is, for errors.
        shape: what it must look like.

    Raises:
        ServiceError: it is no JSON, or has another shape.
    """
    try:
        value = loads(body, ANSWER)
    except JsonRefused as error:
        raise not_the_service(f"{what} answered no JSON: {error}") from error
    return shaped(value, what, shape)


def shaped(value: object, what: str, shape: type[S]) -> Answer:
    """``value`` as it is, once it was seen to have the shape.

    Raises:
        ServiceError: it has not.
    """
    if not isinstance(value, dict):
        raise not_the_service(f"{what} answered no JSON object")
    try:
        shape.model_validate(value)
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_url=False, include_input=False)[0]["loc"]))
        raise not_the_service(f"{what} answered something unexpected in {place}") from error
    return Answer(value)


def not_the_service(detail: str) -> NotTheService:
    """Something answers there, but not as this service does."""
    return NotTheService(detail)
