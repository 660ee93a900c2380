"""What all tables share: metadata, names of constraints, column types."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import MetaData, String, text
from sqlalchemy.orm import DeclarativeBase

from jobs.database.dialect import UtcTime, json_type

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


ONLY_ON = "only_on"
"""In an index's ``info``: the one dialect that has it; for those who compare tables with this module."""


ID = String(64)


def _where(condition: str) -> dict[str, Any]:
    """Of a partial index, on both databases."""
    return {f"{dialect}_where": text(condition) for dialect in ("postgresql", "sqlite")}


class Base(DeclarativeBase):
    """All tables; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {datetime: UtcTime(), dict[str, Any]: json_type(), list[str]: json_type()}
