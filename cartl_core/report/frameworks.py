"""The table ``frameworks.toml`` as values: places in frameworks, what speaks to them, what nothing says.

It is read once, when this module is imported, and must fit together: a fault is named with its place.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Annotated, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from cartl_core.report.checks import CheckName
from cartl_core.report.evidence import Gap, GapId, ItemId, Reference

FILE = "frameworks.toml"
Words = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(Reference):
    """A place in a framework, and what it is about in our own words."""

    about: Words


class GapText(_Part):
    """Something that a report says nothing of, and why."""

    subject: Words
    words: Words
    places: tuple[str, ...] = Field(min_length=1)


class Indicator(_Part):
    """An indicator of attack failure, and the check that answers it; None where no check does."""

    name: Words
    check: CheckName | None = None
    words: Words


class FrameworkTable(_Part):
    """The whole table."""

    places: dict[str, Place]
    items: dict[ItemId, tuple[str, ...]]
    gaps: dict[GapId, GapText]
    indicators: tuple[Indicator, ...]

    @model_validator(mode="after")
    def _fits_together(self) -> FrameworkTable:
        for known, written, kind in (
            (get_args(ItemId), self.items, "items"),
            (get_args(GapId), self.gaps, "gaps"),
        ):
            if set(known) != set(written):
                raise ValueError(f"{kind} must be {', '.join(known)}")
        used = [*self.items.items(), *((name, gap.places) for name, gap in self.gaps.items())]
        for name, places in used:
            for place in places:
                if place not in self.places:
                    raise ValueError(f"{name} names the place {place}, which is not among [places]")
        return self


def read_table(text: str) -> FrameworkTable:
    """The table of a text in TOML.

    Raises:
        ValueError: it is no TOML, or does not fit together; the message names where.
    """
    return FrameworkTable.model_validate(tomllib.loads(text))


TABLE = read_table(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))


def references_of(item: ItemId) -> tuple[Reference, ...]:
    """The places that a piece of evidence speaks to."""
    return _references(TABLE.items[item])


def gaps() -> tuple[Gap, ...]:
    """What a report says nothing of."""
    return tuple(Gap(id=name, references=_references(gap.places)) for name, gap in TABLE.gaps.items())


def about(found: Reference) -> str:
    """What a place is about; empty of one that is no longer in the table."""
    return next((place.about for place in TABLE.places.values() if _plain(place) == found), "")


def _references(names: tuple[str, ...]) -> tuple[Reference, ...]:
    return tuple(_plain(TABLE.places[name]) for name in names)


def _plain(place: Place) -> Reference:
    return Reference(framework=place.framework, clause=place.clause)
