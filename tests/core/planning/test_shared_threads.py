"""How a run shares its threads among its stages, and when the last of them is done."""

from __future__ import annotations

import pytest

from cartl_core.planning.estimates.costs import macs_of_a_pass
from cartl_core.planning.estimates.shared_threads import (
    SMALL_MACS,
    Sharing,
    seconds_until_done,
    share_threads,
)
from cartl_core.spec import ModelSpec

SMALL = ModelSpec(name="wrn-16-2", stem_stride=4, image_size=28, channels=1)
LARGE = ModelSpec(name="wrn-16-2", stem_stride=1, image_size=32, channels=3)


@pytest.mark.parametrize(
    ("device", "model", "threads", "shared"),
    [
        ("cpu", SMALL, 1, Sharing(1, 1)),
        ("cpu", SMALL, 2, Sharing(1, 2)),
        ("cpu", SMALL, 5, Sharing(2, 2)),
        ("cpu", LARGE, 8, Sharing(8, 1)),
        ("cuda", SMALL, 8, Sharing(8, 1)),
    ],
)
def test_small_networks_on_a_cpu_share_the_threads(
    device: str, model: ModelSpec, threads: int, shared: Sharing
) -> None:
    assert macs_of_a_pass(SMALL) < SMALL_MACS <= macs_of_a_pass(LARGE)
    assert share_threads(device, model, threads) == shared


SECONDS = {"teacher": 4.0, "other teacher": 3.0, "student": 2.0, "attack": 1.0, "check": 1.0}
NEEDS = {"student": ("teacher",), "attack": ("student",), "check": ("student", "other teacher")}


@pytest.mark.parametrize(
    ("at_once", "done"),
    [(1, 11.0), (2, 7.0), (9, 7.0)],  # the longest chain: teacher, student, then attack and check together
)
def test_a_stage_waits_for_the_networks_that_it_reads(at_once: int, done: float) -> None:
    assert seconds_until_done(SECONDS, NEEDS, at_once) == pytest.approx(done)


def test_stages_that_are_done_or_unknown_hold_nobody_up() -> None:
    assert seconds_until_done({}, NEEDS, 2) == 0.0
    finished = SECONDS | {"teacher": 0.0, "other teacher": 0.0}
    assert seconds_until_done(finished, NEEDS | {"attack": ("student", "unheard of")}, 2) == 3.0
