"""Twenty jobs of different kinds, small enough for two cores and without a download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SOURCE = {"name": "digits", "classes": [0, 1, 2, 3, 4]}
TARGET = {"name": "digits", "classes": [5, 6, 7, 8, 9]}
CERTIFICATES = {"audit": {}, "smoothing": {"images": 20, "sigma": 0.1, "n": 1000}}
LONG_ATTACKS = {"preset": "autoattack", "test_limit": 60}
EPOCHS = {"epochs": 40}
SEED_OF_FIRST = 100
"""Each job has a seed of its own, so that none finds what another has computed, unless it is meant to."""


@dataclass(frozen=True)
class Asked:
    """One job: what it is called in the table, and its request.

    Attributes:
        request: of `POST /jobs`, or of `POST /sweeps` where ``sweep`` is true.
        student_of: the job, by its name here, whose student an evaluation measures.
    """

    name: str
    request: dict[str, Any]
    sweep: bool = False
    student_of: str | None = None


def _transfer(name: str, number: int, **fields: Any) -> Asked:
    base: dict[str, Any] = {
        "dataset": TARGET,
        "source": SOURCE,
        "freeze_depth": 2,
        "preset": "smoke",
        "seed": SEED_OF_FIRST + number,
        "pretrain": EPOCHS,
        "transfer": EPOCHS,
    }
    return Asked(name, {**base, **fields})


def _evaluation(name: str, of: str, number: int, **fields: Any) -> Asked:
    base = {"kind": "evaluate", "dataset": TARGET, "preset": "smoke", "seed": SEED_OF_FIRST + number}
    return Asked(name, {**base, **fields}, student_of=of)


def jobs() -> tuple[Asked, ...]:
    """In the order in which they run; the first ones meet a service that has measured nothing."""
    alone: dict[str, Any] = {"baselines": []}
    return (
        _transfer("cartl", 1, method="cartl", **alone),
        _transfer("vanilla, longer training", 2, method="vanilla", pretrain={"epochs": 80}, **alone),
        _transfer("consistent beside plain transfer", 3, method="consistent", baselines=["vanilla"]),
        _transfer("neft, other depth", 4, method="neft", freeze_depth=1, **alone),
        _transfer("lwf", 5, method="lwf", freeze_depth=0, **alone),
        _transfer("linear probe", 6, method="linear_probe", freeze_depth=4, **alone),
        _transfer("bitfit", 7, method="bitfit", **alone),
        _transfer("adversarial tuning", 8, method="adversarial", **alone),
        _transfer("auto, method", 9, method="auto"),
        _transfer("auto, method and depth", 10, method="auto", freeze_depth="auto"),
        Asked(
            "sweep over beta",
            {
                "base": _transfer("", 11, method="cartl", **alone).request,
                "grid": {"beta": [0.4, 0.6]},
            },
            sweep=True,
        ),
        _transfer("another network", 12, model="wrn-10-1", method="vanilla", **alone),
        _transfer("the same network again", 13, model="wrn-10-1", method="cartl", **alone),
        _transfer("three baselines", 14, baselines=["vanilla", "neft", "bitfit"]),
        _transfer("teacher found", 1, method="neft", **alone),
        _transfer(
            "certificates", 15, evaluate={"audit": {}, "smoothing": {"images": 20, "sigma": 0.1, "n": 1000}}
        ),
        _evaluation("evaluation, quick attacks", "cartl", 16, evaluate={"preset": "quick"}),
        _evaluation("evaluation, pgd100", "lwf", 17, evaluate={"preset": "pgd100"}),
        _evaluation("evaluation, AutoAttack", "bitfit", 18, evaluate=LONG_ATTACKS),
    )
