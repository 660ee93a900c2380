"""Why a stage is computed though what was asked for has been computed before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from cartl_core.events import StageComputedAnew, StageKind

Why = Literal["recipe", "machine", "digests"]
RECIPES = ("recipe", "probe_recipe")
NAMES = {
    "recipe": "recipe",
    "probe_recipe": "recipe of the diagnostic",
    "device": "device",
    "device_name": "processor",
    "threads": "threads",
    "precision": "precision",
    "attack_precision": "precision in which attacks begin",
    "machine": "architecture",
    "torch": "torch",
}
"""What a stage's basis is made of, in words and in the order in which it is told."""
UNSAID = {"attack_precision": "fp32"}
"""What a basis without such an entry means."""
OF_AN_EARLIER_VERSION = (
    "what an earlier version of this program has finished is not found, since digests are made in another "
    "way now; this happens once"
)


def superseded(
    kind: StageKind, label: str, digest: str, *, earlier: Mapping[str, str] | None, basis: Mapping[str, str]
) -> StageComputedAnew:
    """The event that says so.

    Args:
        earlier: the basis of the finished result; None where it is of a version that kept none.
        basis: of the stage that is computed now.
    """
    why, words = _reason(earlier, basis)
    return StageComputedAnew(stage=kind, label=label, digest=digest, why=why, words=f"{label}: {words}")


def _reason(earlier: Mapping[str, str] | None, basis: Mapping[str, str]) -> tuple[Why, str]:
    if earlier is None:
        return "digests", OF_AN_EARLIER_VERSION
    earlier, basis = {**UNSAID, **earlier}, {**UNSAID, **basis}
    changed = [name for name in NAMES if earlier.get(name) != basis.get(name)]
    if not changed:
        return "recipe", "what it stands on is computed anew"
    told = (f"{NAMES[name]} {earlier.get(name)}, now {basis.get(name)}" for name in changed)
    why: Why = "recipe" if any(name in RECIPES for name in changed) else "machine"
    return why, f"the finished one is of {'; '.join(told)}"
