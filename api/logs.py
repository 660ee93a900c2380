"""The end of a job's log, over all its attempts. The worker writes one file an attempt."""

from __future__ import annotations

from jobs.files.artifacts import logs_of
from jobs.files.stores import artifact_store
from jobs.settings import Settings

MAX_BYTES = 2 * 1024 * 1024


def log_tail(settings: Settings, job_id: str, lines: int) -> str:
    """The last ``lines`` lines, oldest first; at most ``MAX_BYTES`` are read. Empty before the first attempt.

    Bytes that are no UTF-8 are shown as replacement characters.
    """
    store = artifact_store(settings)
    parts: list[str] = []
    room = MAX_BYTES
    for entry in reversed(logs_of(settings, job_id)):
        if room <= 0:
            break
        end = b"".join(store.stream(entry.key, max(0, entry.size - room), entry.size))
        room -= len(end)
        name = entry.key.rpartition("/")[2].removesuffix(".log")
        parts.append(f"== {name} ==\n{end.decode(errors='replace')}")
    kept = "\n".join(reversed(parts)).splitlines()[-lines:]
    return "\n".join(kept) + "\n" if kept else ""
