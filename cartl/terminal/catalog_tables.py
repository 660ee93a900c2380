"""Networks, methods, workers and keys as tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from cartl.client import Json
from cartl.http.catalog_answers import Slot, Worker
from cartl.terminal.tables import show_rows


def show_models(rows: Sequence[Json], console: Console) -> None:
    """Networks with the freeze depths that each allows."""
    cells = [
        (
            str(row["name"]),
            str(row.get("family") or ""),
            str(row.get("blocks", "")),
            f"{row.get('freeze_depth_min', 0)} to {row.get('freeze_depth_max', '?')}",
        )
        for row in rows
    ]
    show_rows(console, ("model", "family", "blocks", "freeze depth"), cells, "no networks")


def show_methods(rows: Sequence[Json], console: Console) -> None:
    """Methods, and how each trains its teacher."""
    cells = [
        (
            str(row["name"]),
            str(row.get("title") or ""),
            str(row.get("objective") or ""),
            "the largest" if row.get("head_only") else "",
        )
        for row in rows
    ]
    show_rows(console, ("method", "what it is", "teacher", "freeze depth"), cells, "no methods")


def show_workers(rows: Sequence[Json], console: Console) -> None:
    """Workers that are heard of, a row for each slot."""
    cells = [
        (
            str(row["id"]),
            str(row.get("host") or ""),
            slot.device,
            _doing(slot),
            str(row.get("version") or ""),
            str(row.get("heartbeat_at") or ""),
        )
        for row in rows
        for slot in Worker.model_validate(row).slots or [Slot()]
    ]
    headings = ("id", "host", "device", "doing", "version", "last heard of")
    show_rows(console, headings, cells, "no worker is heard of: queued jobs wait until one starts")


def _doing(slot: Slot) -> str:
    if not slot.busy:
        return "idle"
    return f"job {slot.job}" if slot.job else "a job of another owner"


def show_keys(rows: Sequence[Json], console: Console) -> None:
    """Keys, without their secrets."""
    cells = [
        (
            str(row["id"]),
            str(row.get("owner") or ""),
            str(row.get("role") or ""),
            str(row.get("name") or ""),
            str(row.get("created_at") or ""),
            str(row.get("expires_at") or "never"),
            str(row.get("last_used_at") or "never"),
            "this one asks" if row.get("in_use") else "",
        )
        for row in rows
    ]
    headings = ("id", "owner", "role", "name", "made at", "expires", "last used", "")
    show_rows(console, headings, cells, "no keys")


def show_audit(rows: Sequence[Json], console: Console) -> None:
    """The audit log, oldest first."""
    cells = [
        (
            str(row["number"]),
            str(row.get("at") or ""),
            str(row.get("owner") or ""),
            str(row.get("key") or ""),
            str(row.get("address") or ""),
            str(row.get("action") or ""),
            str(row.get("object") or ""),
            str(row.get("outcome") or ""),
        )
        for row in rows
    ]
    headings = ("number", "at", "owner", "key", "from", "action", "object", "outcome")
    show_rows(console, headings, cells, "nothing was changed since")
