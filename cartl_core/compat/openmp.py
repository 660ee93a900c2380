"""How long threads of OpenMP spin while they wait for each other, bounded where nobody has said it."""

from __future__ import annotations

from collections.abc import MutableMapping

SPIN_COUNT = "10000"
"""Rounds that a thread spins before it sleeps: beside a busy neighbour a run is then slowed by a factor of
about ten and not of sixty, and alone by a few per cent at most (docs/explanation/benchmarks.md)."""
WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""What a person may have set; then it stays as it is."""


def bound_spinning(environment: MutableMapping[str, str]) -> None:
    """Set it in the environment of a process that has not loaded torch yet."""
    if not any(name in environment for name in WAITING):
        environment["GOMP_SPINCOUNT"] = SPIN_COUNT
