"""Whether a network answers at all, and better than one that always gives the same class.

The first thing to know of a network: where this fails, its other figures mean nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

from cartl_core.analysis.descriptions import settings_of
from cartl_core.analysis.metrics import Outputs, TestSet, not_finite
from cartl_core.analysis.run_state import RunState
from cartl_core.planning.plan import (
    EvaluationPlan,
    ExistingNetworkPlan,
    NetworkPlan,
    StudentPlan,
    TeacherPlan,
    TransferPlan,
)
from cartl_core.report.notices import (
    NetworkName,
    NoBetterThanOneClass,
    Notice,
    OneAnswer,
    OutputsNotFinite,
)
from cartl_core.report.values import Interval
from cartl_core.statistics.proportions import wilson

NEARLY_ALL = 0.95
"""The share of answers of one class from which on a network is said to give that class alone."""


def transfer_networks(plan: TransferPlan, state: RunState) -> Iterator[Notice]:
    """What must be said of the networks of a transfer: the job's own, its teachers, its baselines."""
    for student in plan.students[:1]:
        yield from _of_measured(_named(student, plan, "student"), student, state.target, state)
    for teacher in plan.teachers:
        if teacher.pretrain is None:
            continue  # given: nothing is measured of it
        name = NetworkName(
            role="teacher",
            method=None,
            settings=None,
            objective=teacher.pretrain.objective,
            freeze_depth=teacher.freeze_depth,
        )
        yield from _of_measured(name, teacher, state.source, state)
    for student in plan.students[1:]:
        yield from _of_measured(_named(student, plan, "baseline"), student, state.target, state)


def existing_network(plan: EvaluationPlan, state: RunState) -> Iterator[Notice]:
    """What must be said of the network of an evaluation."""
    yield from _of_measured(EXISTING, plan.network, state.target, state)


def on_further(network: ExistingNetworkPlan, test: TestSet, state: RunState) -> Iterator[Notice]:
    """What must be said of it on a further data set."""
    yield from _of_measured(EXISTING, network, test, state)


EXISTING = NetworkName(role="student", method=None, settings=None, objective=None, freeze_depth=None)


def _named(student: StudentPlan, plan: TransferPlan, role: Literal["student", "baseline"]) -> NetworkName:
    settings = settings_of(student, plan)
    return NetworkName(
        role=role, method=student.arm.method, settings=settings, objective=None, freeze_depth=None
    )


def _of_measured(
    name: NetworkName, network: NetworkPlan | TeacherPlan, test: TestSet | None, state: RunState
) -> Iterator[Notice]:
    """Nothing before it was measured without an attack."""
    outputs = state.outputs(network.measurements)
    if outputs is not None and test is not None:
        count = len(not_finite(outputs, state.attacks(network.measurements)))
        yield from network_notices(name, outputs, count, test)


def network_notices(network: NetworkName, outputs: Outputs, infinite: int, test: TestSet) -> Iterator[Notice]:
    """What must be said of a network before any of its figures; nothing of one that has learned its task.

    One notice at most, the gravest: where outputs are not finite no other figure is a measurement, and where
    nearly all answers are one class the accuracy follows from that.

    Args:
        outputs: of all test images without an attack.
        infinite: images with an output that is not finite, without an attack or under one.
        test: the images.
    """
    n = len(outputs.right)
    if infinite:
        yield OutputsNotFinite(network=network, not_finite=infinite, n=n)
        return
    answered = _one_answer(outputs, test)
    if answered is not None:
        label, share = answered
        yield OneAnswer(network=network, answer=test.class_names[label], share=share)
        return
    clean = wilson(sum(outputs.right), n)
    commonest, count = Counter(test.labels).most_common(1)[0]
    if no_better_than(clean, count / n):
        yield NoBetterThanOneClass(
            network=network, clean=clean, commonest=test.class_names[commonest], share=count / n
        )


def no_better_than(clean: Interval, share: float) -> bool:
    """Whether the images cannot tell an accuracy from ``share``, which is what one class alone gets.

    They can where the whole 95 % Wilson interval lies above it.
    """
    return clean.low <= share


def _one_answer(outputs: Outputs, test: TestSet) -> tuple[int, Interval] | None:
    """The class that nearly all answers are, with their share.

    None where there is no such class, where as many of the images may really be of it, and where answers
    are not known.
    """
    if outputs.answers is None:
        return None
    label, count = Counter(outputs.answers).most_common(1)[0]
    share = wilson(count, len(outputs.answers))
    true = test.labels.count(label) / len(test.labels)
    return (label, share) if share.value >= NEARLY_ALL and share.low > true else None
