"""Sweeps: the list, and one with its table, Pareto front and heat map."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.http.paging import Cursor
from api.routes.sweeps import SweepId
from api.routes.ui.visit import VisitDep
from api.web.charts import Dot, frame_of_dots
from cartl_core.statistics.sweep_summary import Setting, SettingRow
from jobs.errors import BadCursor
from jobs.store.sweeps import find_sweep, list_sweeps, states_of, table_of

router = APIRouter(include_in_schema=False)

PAGE = 50
AXES = ("freeze_depth", "beta", "fdm_weight", "method")


@router.get("/ui/sweeps")
def show_sweeps(visit: VisitDep, cursor: Cursor = None) -> Response:
    """Newest first."""
    with visit.reading() as session:
        try:
            sweeps, next_cursor = list_sweeps(session, visit.caller.owner, cursor=cursor, limit=PAGE)
        except BadCursor:
            sweeps, next_cursor = [], None
        states = states_of(session, [sweep.id for sweep in sweeps])
    return visit.page(
        "sweeps.html",
        title="Sweeps",
        here="/ui/sweeps",
        sweeps=[(sweep, states[sweep.id]) for sweep in sweeps],
        live=visit.live,
        next_page=f"/ui/sweeps?cursor={next_cursor}" if next_cursor else None,
    )


@router.get("/ui/sweeps/{sweep_id}")
def show_sweep(sweep_id: SweepId, visit: VisitDep) -> Response:
    """Chosen on validation images alone, as the table of the API is."""
    with visit.reading() as session:
        sweep = find_sweep(session, sweep_id, visit.caller.owner)
        state, table = states_of(session, [sweep.id])[sweep.id], table_of(session, sweep)
    dots = [dot for row in table.rows if (dot := _dot(row)) is not None]
    return visit.page(
        "sweep.html",
        title=sweep.name or sweep.id[:12],
        here="/ui/sweeps",
        sweep=sweep,
        state=state,
        table=table,
        dots=dots,
        frame=frame_of_dots(dots),
        heat=_heat(table.rows),
        describe=described,
        live=visit.live,
    )


def described(setting: Setting) -> str:
    """A setting in few words."""
    parts = [setting.method, f"depth {setting.freeze_depth}"]
    parts += [f"beta {setting.beta:g}"] if setting.beta is not None else []
    parts += [f"lambda {setting.fdm_weight:g}"] if setting.fdm_weight is not None else []
    return ", ".join(parts)


def _dot(row: SettingRow) -> Dot | None:
    if row.validation is None:
        return None
    clean, robust = row.validation.clean, row.validation.robust
    return Dot(
        described(row.setting),
        clean.value,
        clean.low,
        clean.high,
        robust.value,
        robust.low,
        robust.high,
        marked=row.on_front,
        best=row.best,
    )


def _heat(rows: tuple[SettingRow, ...]) -> dict[str, object] | None:
    """Robust accuracy over the first two settings that vary; None where fewer do."""
    values = {axis: list(dict.fromkeys(_text(row.setting, axis) for row in rows)) for axis in AXES}
    varying = [axis for axis in AXES if len(values[axis]) > 1]
    if len(varying) < 2:
        return None
    across, down = varying[:2]
    cells: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.validation is not None:
            place = (_text(row.setting, down), _text(row.setting, across))
            cells.setdefault(place, []).append(row.validation.robust.value)
    best = {place: max(found) for place, found in cells.items()}
    return {"across": across, "down": down, "columns": values[across], "rows": values[down], "cells": best}


def _text(setting: Setting, axis: str) -> str:
    value = getattr(setting, axis)
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
