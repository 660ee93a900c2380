"""How arms of one method are told apart: by the settings in which they differ. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from cartl_core.planning.plan import StudentPlan, TransferPlan
from cartl_core.spec import Arm


def differing(arms: Sequence[Arm]) -> dict[Arm, str | None]:
    """Of arms with one method and depth, the settings in which they differ: ``transfer.beta 0.4``.

    None of an arm that is alone, or equal to all others of its kind.
    """
    return _apart(arms, lambda arm: (arm.method, arm.freeze_depth))


def differing_students(arms: Sequence[Arm]) -> dict[Arm, str | None]:
    """The same of arms with one method, which may have frozen different depths: ``freeze_depth 2``."""
    return _apart(arms, lambda arm: arm.method)


def _apart(arms: Sequence[Arm], kind: Callable[[Arm], Hashable]) -> dict[Arm, str | None]:
    flat = {arm: _flat(arm) for arm in arms}
    found: dict[Arm, str | None] = {}
    for arm in arms:
        alike = [flat[other] for other in arms if kind(other) == kind(arm)]
        apart = [
            f"{name} {_brief(value)}"
            for name, value in flat[arm].items()
            if any(other.get(name) != value for other in alike)
        ]
        found[arm] = ", ".join(apart) or None
    return found


def _brief(value: object) -> str:
    if isinstance(value, tuple):
        return " and ".join(map(_brief, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(arm: Arm) -> dict[str, object]:
    """Every setting by its whole name: ``transfer.displacement.weight``."""
    parts = {
        "pretrain": arm.pretrain.model_dump() if arm.pretrain else {},
        "transfer": arm.transfer.model_dump(),
    }
    return {"freeze_depth": arm.freeze_depth, **dict(_leaves(parts, ""))}


def _leaves(values: Mapping[str, Any], above: str) -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def settings_of(student: StudentPlan, plan: TransferPlan) -> str | None:
    """The settings in which a student differs from others of its method on test images."""
    return differing_students([other.arm for other in plan.students])[student.arm]
