"""What tells candidates apart, in words."""

from __future__ import annotations

from cartl_core.differing import differing
from tests.fixtures.requests import resolved


def told(**request: object) -> list[str | None]:
    auto = resolved(preset="quick", model="wrn-16-2", **request).auto
    assert auto is not None
    return [differing(auto.candidates)[arm] for arm in auto.candidates]


def test_candidates_are_told_apart_by_what_differs_and_nothing_else() -> None:
    assert told(method="consistent", freeze_depth="auto") == [
        *[None] * 3,
        *["transfer.displacement.weight 1"] * 3,
        *["transfer.displacement.weight 4"] * 3,
    ]


def test_several_settings_stand_beside_each_other_and_numbers_are_short() -> None:
    candidates = [{"method": "neft", "transfer": {"beta": beta, "lr": beta / 3}} for beta in (0.5, 0.75)]
    found = told(method="auto", freeze_depth=2, auto={"candidates": candidates})
    assert found == ["transfer.lr 0.166667, transfer.beta 0.5", "transfer.lr 0.25, transfer.beta 0.75", None]
