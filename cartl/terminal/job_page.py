"""One job on a terminal: where it is, what it runs, what it costs, its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console

from cartl.client import Json
from cartl.terminal.tables import safe, say, show_facts, show_rows
from cartl.words import STATE_STYLES, byte_count, doing, duration, expected, outcome, percent

SHOWN_CLASSES = 20


def show_job(job: Json, files: Iterable[Json], console: Console) -> None:
    """As tables: facts, then files."""
    state = str(job["state"])
    console.print(safe(outcome(job), STATE_STYLES.get(state, "")), soft_wrap=True)
    show_facts(console, _facts(job))
    listed = [(str(file["name"]), size(file["size"])) for file in files]
    if listed:
        show_rows(console, ("file", "size"), listed, "")
        say(console, f"`cartl download {job['id']}` brings them")


def _facts(job: Json) -> Iterator[tuple[str, str]]:
    spec = _object(job.get("spec"))
    yield "name", _text(job.get("name"))
    yield "tags", _listed(job.get("tags"))
    if job["state"] in ("queued", "running"):
        yield "at", doing(job)
        yield "done", percent(job.get("fraction"))
        yield "time left", duration(job.get("seconds_left")) if job.get("seconds_left") is not None else ""
    waits = job.get("waiting_for")
    yield "waits for", f"a teacher that another job trains ({_text(waits)[:12]})" if waits else ""
    yield "priority", _text(job.get("priority"))
    yield "target", _data(spec.get("dataset"))
    yield "source", _data(spec.get("source"))
    yield "network", _text(_object(spec.get("model")).get("name") or spec.get("model"))
    yield "teacher", _data(spec.get("teacher")) or _text(_object(spec.get("teacher")).get("id"))
    yield "method", _text(spec.get("method") or job.get("method"))
    depth = spec.get("freeze_depth", job.get("freeze_depth"))
    yield "freeze depth", _text(depth)
    yield "preset", _text(spec.get("preset"))
    yield "seed", _text(spec.get("seed"))
    yield "estimate", cost(_object(job.get("estimate")))
    for name in ("created", "started", "finished"):
        yield name, _text(job.get(f"{name}_at"))
    yield "worker", _text(job.get("worker"))
    attempts = job.get("attempts_used")
    yield "lost attempts", f"{attempts} of {_text(job.get('max_attempts'))}" if attempts else ""
    yield "sweep", _text(job.get("sweep"))


def cost(estimate: Json) -> str:
    """`about 12 min 30 s, 30.0 MB of disk`, as far as it is known."""
    seconds, disk = estimate.get("seconds"), estimate.get("disk_bytes")
    parts = [
        _expected(estimate) if _is_number(seconds) else "",
        f"{size(disk)} of disk" if _is_number(disk) else "",
    ]
    return ", ".join(part for part in parts if part)


def _expected(estimate: Json) -> str:
    """A range where the service gives one, else one figure."""
    span = _object(estimate.get("seconds_range"))
    if span and all(_is_number(span.get(name)) for name in ("low", "likely", "high")):
        return expected(estimate)
    return f"about {duration(estimate['seconds'])}"


def size(count: Any) -> str:
    """Bytes for people."""
    return byte_count(count) if _is_number(count) else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _data(told: object) -> str:
    """`digits (classes 5, 6)`, of a specification."""
    found = _object(told)
    classes = found.get("classes")
    named = _text(found.get("name"))
    if not isinstance(classes, list) or len(classes) > SHOWN_CLASSES:
        return named
    return f"{named} (classes {_listed(classes)})"


def _object(told: object) -> Json:
    return told if isinstance(told, dict) else {}


def _listed(told: object) -> str:
    return ", ".join(map(_text, told)) if isinstance(told, list) else ""


def _text(told: object) -> str:
    return "" if told is None or isinstance(told, dict | list) else str(told)
