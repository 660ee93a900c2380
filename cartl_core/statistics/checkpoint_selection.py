"""Which epoch of a training is kept: a pure function of the validation figures, so it has no state to save.

``pareto`` keeps the most robust epoch among those whose clean accuracy is within a margin of the best clean
accuracy of the whole run. Fine-tuning on clean images first raises robustness, then forgets it ("On the
Robustness Tradeoff in Fine-Tuning", ICCV 2025, arXiv 2503.14836), so neither the last nor the most accurate
epoch is the one to keep. The rule is ours; what it chooses lies on the Pareto front of both accuracies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cartl_core.spec.training import Selection

CLEAN = "clean_accuracy"
ROBUST = "robust_accuracy"

History = Sequence[Mapping[str, float]]


def contenders(history: History, select: Selection, margin: float) -> tuple[int, ...]:
    """The epochs (from 1, ascending) that may still be chosen, whatever further epochs will bring.

    Their weights have to be kept; those of all others never again. ``last`` needs none kept: the network
    has them. ``best_clean`` and ``best_robust`` need one. With ``pareto`` an epoch is out for good once it
    is out of the margin, as the best clean accuracy only rises, or once another is as good in both figures
    and better in one, or earlier.

    Args:
        history: a row an epoch, of figures between 0 and 1.
        margin: of clean accuracy, 0 to 1; `pareto` only.
    """
    if select == "last" or not history:
        return ()
    if select != "pareto":
        return (chosen(history, select, margin),)
    front: list[int] = []
    highest = -1.0
    for epoch in _within(history, margin):
        # Sorted by preference: one that follows is no more robust, so it must be more accurate.
        if history[epoch - 1][CLEAN] > highest:
            highest = history[epoch - 1][CLEAN]
            front.append(epoch)
    return tuple(sorted(front))


def chosen(history: History, select: Selection, margin: float) -> int:
    """The epoch (from 1) that is kept after the epochs of ``history``; 0 when there are none.

    Ties of ``best_clean`` and ``best_robust`` go to the earlier epoch; of ``pareto`` to the higher clean
    accuracy, then to the earlier epoch.
    """
    if select == "last" or not history:
        return len(history)
    if select == "pareto":
        return _within(history, margin)[0]
    judged_by = {"best_clean": CLEAN, "best_robust": ROBUST}[select]
    return max(_epochs(history), key=lambda epoch: (history[epoch - 1][judged_by], -epoch))


def _within(history: History, margin: float) -> list[int]:
    """Epochs within the margin of the best clean accuracy, the preferred one first."""
    figures = {epoch: (history[epoch - 1][CLEAN], history[epoch - 1][ROBUST]) for epoch in _epochs(history)}
    return by_preference(figures, margin)


def _epochs(history: History) -> range:
    return range(1, len(history) + 1)


_SLACK = 1e-9
"""Accuracies are counts over n: far less than one image, far more than what subtraction rounds."""


def by_preference(figures: Mapping[int, tuple[float, float]], margin: float) -> list[int]:
    """Those near enough to the cleanest one, the preferred one first; none of none.

    Of equally robust ones the cleaner is preferred, then the one with the smaller number. The first lies on
    the Pareto front.

    Args:
        figures: clean and robust accuracy, 0 to 1, by number.
        margin: of clean accuracy, as a fraction.
    """
    least = max((clean for clean, _ in figures.values()), default=0.0) - margin - _SLACK
    near = [number for number, (clean, _) in figures.items() if clean >= least]
    return sorted(near, key=lambda number: (-figures[number][1], -figures[number][0], number))
