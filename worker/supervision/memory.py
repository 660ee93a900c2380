"""A run's memory: bounded, watched, and known for the cause when the system's killer took the run.

A run that fills the host must not take its worker, its neighbours or the database along. Where the system
has an out-of-memory killer, the run offers itself first (``oom_score_adj``), and its own pages are counted
against a limit. The limit is not one of address space (``RLIMIT_AS``): torch reserves far more than it uses.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
FIRST_TO_GO = 900
"""``oom_score_adj`` of a run, from -1000 to 1000: about as if it used nine tenths more than it does."""
SHARE_OF_THE_HOST = 0.9
KIBIBYTE = 1024
COUNTERS = ("memory.events", "memory.oom_control")
LIMITS = ("memory.max", "memory.limit_in_bytes")


def offer_first(pid: int) -> None:
    """Let the system's killer take this process before all others; nothing where there is none."""
    with suppress(OSError):
        (PROC / str(pid) / "oom_score_adj").write_text(str(FIRST_TO_GO))


def used_by(pid: int) -> int:
    """Bytes that are the process's own; 0 where the system does not tell, or it is gone."""
    fields = _fields(PROC / str(pid) / "status")
    return KIBIBYTE * sum(fields.get(name, 0) for name in ("RssAnon:", "RssShmem:"))


def default_limit() -> int | None:
    """Nine tenths of what this host, or this container, has; None where the system does not tell."""
    total = _fields(PROC / "meminfo").get("MemTotal:", 0) * KIBIBYTE
    limits = [limit for folder in _own_cgroups() for name in LIMITS if (limit := _number(folder / name))]
    known = [size for size in (total, *limits) if size]
    return int(SHARE_OF_THE_HOST * min(known)) if known else None


def kills_so_far() -> int:
    """How many processes the system's killer has taken: of this container, else of the whole host."""
    for folder in _own_cgroups():
        for name in COUNTERS:
            fields = _fields(folder / name)
            if "oom_kill" in fields:
                return fields["oom_kill"]
    return _fields(PROC / "vmstat").get("oom_kill", 0)


def _own_cgroups() -> list[Path]:
    """Where this process's control group for memory may lie: of version 2 or 1, or as a container sees it."""
    found: list[Path] = []
    with suppress(OSError):
        for line in (PROC / "self/cgroup").read_text(encoding="utf-8").splitlines():
            _, _, named = line.partition(":")
            controllers, _, path = named.partition(":")
            if path and controllers in ("", "memory"):
                root = CGROUPS / controllers
                found += [root / path.lstrip("/"), root]
    return [folder for folder in found if folder.is_dir()]


def _fields(path: Path) -> dict[str, int]:
    """``NAME NUMBER`` lines of a file of the system; what is none is left out."""
    found: dict[str, int] = {}
    with suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[1].isdigit():
                found[words[0]] = int(words[1])
    return found


def _number(path: Path) -> int:
    with suppress(OSError, ValueError):
        return int(path.read_text(encoding="utf-8"))
    return 0
