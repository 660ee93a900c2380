"""The goals on rows made by hand: 1,000 images, so that a point is ten of them."""

from __future__ import annotations

from typing import Any

import pytest

from study.book import Book
from study.compare import Difference
from study.marks import NOT_RUN
from study.plan import Plan
from study.verdicts import _promise, goals

IMAGES = 1000


def row(method: str, *, robust: int, clean: int, last: int) -> dict[str, Any]:
    """A cell at k 4 that holds the first ``robust`` images at its chosen epoch, ``last`` at its last."""

    def outcome(held: int) -> dict[str, Any]:
        fate = "9" * held + "1" * (clean - held) + "0" * (IMAGES - clean)
        return {
            "clean": "1" * clean + "0" * (IMAGES - clean),
            "fate": fate,
            "attacks": ["pgd20", "pgd100", "margin100"],
        }

    place = {
        "kind": "cell",
        "cell": f"digits/0/{method}/k4",
        "pair": "digits",
        "seed": 0,
        "method": method,
        "k": 4,
    }
    # All are as clean on validation images, so that these choose by robustness alone.
    validation = [[0.9, robust / IMAGES], [0.9, last / IMAGES]]
    return {
        **place,
        "validation": validation,
        "chosen": 1,
        "outcomes": {"1": outcome(robust), "2": outcome(last)},
    }


@pytest.fixture
def at_k_4(plan: Plan) -> Plan:
    methods = plan.methods | {"cartl": plan.methods["cartl"].model_copy(update={"role": "ours"})}
    rounds = (plan.rounds[0].model_copy(update={"k": (4,)}),)
    return plan.model_copy(update={"methods": methods, "rounds": rounds})


@pytest.mark.parametrize(
    ("robust", "clean", "last", "first", "second"),
    [
        (580, 900, 420, "+8.0 at +0.0 clean: reached", "+12.0 at +0.0 clean: reached"),
        (570, 900, 410, "+7.0 at +0.0 clean: not reached", "+11.0 at +0.0 clean: not reached"),
        (580, 890, 420, "+8.0 at -1.0 clean: reached", "+12.0 at -1.0 clean: reached"),
        (580, 885, 420, "+8.0 at -1.5 clean: not reached", "+12.0 at -1.5 clean: not reached"),
    ],
)
def test_a_goal_is_reached_from_its_own_figure_on(
    at_k_4: Plan, robust: int, clean: int, last: int, first: str, second: str
) -> None:
    plain = row("vanilla", robust=500, clean=900, last=300)
    ours = row("cartl", robust=robust, clean=clean, last=last)
    told = goals(Book(at_k_4, {"digits": [plain, ours]}))
    # All three rules choose the same two points here; at k 6 nothing was run.
    assert f"| digits | 1 | {first} | {first} | {first} | {second} | {NOT_RUN} |" in told


@pytest.mark.parametrize(
    ("robust", "clean", "verdict"),
    [
        ((0.05, 0.03), (0.0, 0.01), "kept"),
        ((-0.01, 0.005), (-0.01, 0.0), "kept"),
        ((0.05, 0.03), (-0.015, -0.005), "unclear"),
        ((0.05, 0.03), (-0.03, -0.02), "broken"),
        ((-0.05, -0.01), (0.0, 0.01), "broken"),
    ],
)
def test_a_promise_is_broken_only_beyond_noise(
    robust: tuple[float, float], clean: tuple[float, float], verdict: str
) -> None:
    """Each difference is a value and the upper end of its interval; the margin is a point."""
    first, second = (Difference(value, 2 * value - high, high, 0.5, 1000) for value, high in (robust, clean))
    assert _promise(first, second, margin=0.01) == verdict
