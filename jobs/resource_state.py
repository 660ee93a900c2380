"""The states of data sets and teachers that people bring, and every arrow between them.

A data set that is a folder of the server begins with ``checking``: no bytes are sent for it.
"""

from __future__ import annotations

from enum import StrEnum


class DatasetState(StrEnum):
    """Where a data set is."""

    RECEIVING = "receiving"
    """Its place is reserved, its bytes are to come."""
    CHECKING = "checking"
    """A task looks at every file of it."""
    READY = "ready"
    """Jobs may use it."""
    REJECTED = "rejected"
    """It cannot be used; ``reason`` says why."""
    CHANGED = "changed"
    """The folder is no longer as it was checked; register it again."""


class TeacherState(StrEnum):
    """Where a teacher is."""

    RECEIVING = "receiving"
    """Its place is reserved, its bytes are to come."""
    CHECKING = "checking"
    """A task takes it in and measures it."""
    VERIFIED = "verified"
    """Measured on a data set; jobs may use it."""
    UNVERIFIED = "unverified"
    """Taken in and not measured; jobs may use it."""
    REJECTED = "rejected"
    """It cannot be used; ``reason`` says why."""


class Step(StrEnum):
    """What can happen to a data set or a teacher."""

    RECEIVE = "receive"
    ACCEPT = "accept"
    VERIFY = "verify"
    ADMIT = "admit"
    REJECT = "reject"
    CHANGE = "change"


State = DatasetState | TeacherState
D, T = DatasetState, TeacherState

DATASET_TRANSITIONS: dict[tuple[State, Step], State] = {
    (D.RECEIVING, Step.RECEIVE): D.CHECKING,  # the last byte is here: a task is queued
    (D.CHECKING, Step.ACCEPT): D.READY,  # the task has kept its images
    (D.CHECKING, Step.REJECT): D.REJECTED,  # the task refuses it, or died too often
    (D.READY, Step.CHANGE): D.CHANGED,  # the folder of the server has changed
}
TEACHER_TRANSITIONS: dict[tuple[State, Step], State] = {
    (T.RECEIVING, Step.RECEIVE): T.CHECKING,  # the last byte is here: a task is queued
    (T.CHECKING, Step.VERIFY): T.VERIFIED,  # the task has measured it
    (T.CHECKING, Step.ADMIT): T.UNVERIFIED,  # no data set was named to measure it on
    (T.CHECKING, Step.REJECT): T.REJECTED,  # the task refuses it, or died too often
}
# Two tables: members of two string enumerations that are spelt alike are one key of a dictionary.
TRANSITIONS: dict[type[State], dict[tuple[State, Step], State]] = {
    DatasetState: DATASET_TRANSITIONS,
    TeacherState: TEACHER_TRANSITIONS,
}

REASONS: dict[str, str] = {
    "archive_unsafe": "a member of the archive leads out of it, or is a link or a device; make it anew",
    "archive_too_large": "more members, bytes, pixels, classes or folders than the deployment allows",
    "unreadable": "no archive or array that can be read; the message says where it ends",
    "too_few_classes": "a data set needs two classes with images: a folder each, at the top",
    "too_few_images": "a class or a split has too few images that can be read",
    "not_safetensors": "convert the file on your machine first: `cartl convert`",
    "layout_unknown": "the names of its tensors are of no known layout; the message lists the nearest",
    "layout_ambiguous": "several layouts have these names; say which with `layout` or `architecture`",
    "tensor_missing": "the layout has a tensor that the file lacks",
    "tensor_unknown": "the file has a tensor that the layout lacks",
    "shape_differs": "a tensor has another shape than the layout says",
    "not_finite": "a weight or a statistic is infinite or not a number",
    "normalisation_needed": "the file does not tell how images are normalised; say so with `normalisation`",
    "collapsed": "it gives every image the same class: padding, normalisation or layout is another",
    "published_not_reproduced": "the measured interval does not hold the published accuracy",
    "worker_lost": "the check died several times; look at the worker's log, then send it again",
    "check_failed": "the check made a mistake; the worker's log has the trace",
    "order_refused": "the data set to verify a teacher on has gone, or cannot be used any more",
    "out_of_memory": "the check ran out of memory; the message says of how much",
    "timeout": "the check took longer than a check may take",
}
"""Values of a data set's or teacher's ``reason``: stable, for programs to match on."""

USABLE: frozenset[State] = frozenset({D.READY, T.VERIFIED, T.UNVERIFIED})
"""States in which a job may name it."""


def source(reached: State) -> State:
    """The state from which ``reached`` is reached: one for each state but ``receiving``."""
    return next(state for (state, _), target in TRANSITIONS[type(reached)].items() if target is reached)
