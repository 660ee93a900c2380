"""What tells candidates apart, in words."""

from __future__ import annotations

from cartl_core.analysis.descriptions import differing, differing_students
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


def test_students_of_one_method_are_told_apart_by_their_depth_and_their_teacher_too() -> None:
    auto = resolved(preset="quick", model="wrn-16-2", method="auto", freeze_depth="auto").auto
    assert auto is not None
    plain, deeper, *_, farther, last = [arm for arm in auto.candidates if arm.method in ("vanilla", "neft")]
    assert (farther.freeze_depth, last.farthest) == (4, 1.5)
    assert list(differing_students([plain, deeper]).values()) == ["freeze_depth 2", "freeze_depth 4"]
    assert list(differing_students([deeper, farther]).values()) == ["pretrain.radii 1", "pretrain.radii 1.5"]
    assert differing_students([plain, farther])[farther] == "freeze_depth 4, pretrain.radii 1.5"
    consistent = next(arm for arm in auto.candidates if arm.method == "consistent")
    assert set(differing_students([plain, consistent]).values()) == {None}
