"""The states of a job, every arrow between them, and the reasons that it ends with: their only definition.

Stage, epoch and attack progress are events and columns, never states. A request to cancel a
running job is a flag, not an arrow: the worker acknowledges it, or a worker's maintenance does in its place.
"""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    """Waits to be claimed: new, retried, interrupted, lost by its worker, or waiting for a teacher."""
    RUNNING = "running"
    """Claimed by one worker, which renews a lease; every write carries the claim's token."""
    SUCCEEDED = "succeeded"
    """Its report is complete. Never changes again."""
    FAILED = "failed"
    """Ended by an error that would repeat, or lost its worker too often; ``reason`` says which."""
    CANCELLED = "cancelled"
    """Ended because its owner asked."""

    @property
    def is_terminal(self) -> bool:
        """True when only a person's retry, or nothing at all, can change it."""
        return self in TERMINAL


class Move(StrEnum):
    """What can happen to a job."""

    CLAIM = "claim"
    COMPLETE = "complete"
    FAIL = "fail"
    REQUEUE_AFTER_CRASH = "requeue_after_crash"
    GIVE_UP = "give_up"
    RELEASE = "release"
    ACKNOWLEDGE = "acknowledge"
    CANCEL = "cancel"
    RETRY = "retry"


Q, R, S, F, C = JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED

TRANSITIONS: dict[tuple[JobState, Move], JobState] = {
    (Q, Move.CLAIM): R,  # a worker takes it: raises the fencing token, sets the lease
    (Q, Move.CANCEL): C,  # its owner asks; nothing runs, so it ends at once
    (R, Move.COMPLETE): S,  # the report is complete
    (R, Move.FAIL): F,  # an error that would repeat: bad data, loss not finite, out of memory, disk full
    (R, Move.REQUEUE_AFTER_CRASH): Q,  # child killed by a signal, or lease expired: one attempt more is used
    (R, Move.GIVE_UP): F,  # the same, too often without progress: `worker_lost`
    (R, Move.RELEASE): Q,  # clean shutdown, or it waits for a teacher: attempts unchanged
    (R, Move.ACKNOWLEDGE): C,  # cancel was requested, and the worker stopped or its lease expired
    (F, Move.RETRY): Q,  # a person asks again: attempts back to 0, all events kept
    (C, Move.RETRY): Q,  # the same after a cancellation
}

REACHED: dict[Move, JobState] = {move: reached for (_, move), reached in TRANSITIONS.items()}
TERMINAL = frozenset({S, F, C})

# Words for the diagram: who moves the arrow, and when.
WORDS: dict[Move, str] = {
    Move.CLAIM: "worker claims",
    Move.COMPLETE: "worker completes",
    Move.FAIL: "an error that would repeat",
    Move.REQUEUE_AFTER_CRASH: "child killed or lease expired (attempt used)",
    Move.GIVE_UP: "lost too often without progress: worker_lost",
    Move.RELEASE: "shutdown or waits for a teacher (no attempt used)",
    Move.ACKNOWLEDGE: "cancel requested, then acknowledged or lease expired",
    Move.CANCEL: "owner cancels",
    Move.RETRY: "owner retries (attempts back to 0)",
}


REASONS: dict[str, str] = {
    "spec_invalid": "the specification cannot be run on this machine or by this version; post it again",
    "dataset_missing": "the data set is not here and could not be downloaded; the message has the command",
    "dataset_invalid": "the data set's files are there but cannot be used; fetch them again",
    "data_overlap": "source and target share more than a few images; choose other classes",
    "network_invalid": "the network to measure is gone, changed or cannot be loaded; upload it again",
    "loss_not_finite": "the loss became infinite or not a number, the message says when; lower `lr`",
    "weights_not_finite": "a network has weights that are infinite or not a number, the message names the "
    "first tensor; lower `lr`, or give another file",
    "out_of_memory": "device or host ran out of memory, on CUDA with half batches too; lower `batch_size`",
    "disk_full": "no space for checkpoints or artifacts; `python -m jobs prune`, then retry",
    "resume_mismatch": "a stage was damaged again while it was used; look at the disk, then retry",
    "timeout": "the run took longer than `CARTL_TIMEOUT_SECONDS` or its own `time_limit`; a retry goes on "
    "from its checkpoint",
    "worker_lost": "its worker or process died several times without progress; look at the log, then retry",
    "internal_error": "a mistake of the program; the log has the trace",
    "cancelled": "its owner asked",
}
"""Every value of a job's ``reason``: stable, for programs to match on."""


def target(state: JobState, move: Move) -> JobState | None:
    """Where ``move`` leads from ``state``; None when there is no such arrow."""
    return TRANSITIONS.get((state, move))


def reached(move: Move) -> JobState:
    """The state that ``move`` leads to, wherever it started: one for each move."""
    return REACHED[move]


def sources(move: Move) -> tuple[JobState, ...]:
    """The states that ``move`` may start from."""
    return tuple(state for state, taken in TRANSITIONS if taken is move)


def diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    arrows = [f"    {state} --> {reached}: {WORDS[move]}" for (state, move), reached in TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> queued: submitted", *arrows, "    succeeded --> [*]"])
