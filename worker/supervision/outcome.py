"""What becomes of a job when its process has ended: a pure decision, and the write that makes it so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from cartl_core.errors import OutOfMemory
from cartl_core.events import Failed, Finished, Stopped
from jobs import store
from jobs.state import Move
from jobs.store import Claim
from worker.supervision.child import describe_exit

Asked = Literal["cancelled", "timeout", "interrupted"]
SPEC_REFUSED = 2
SPEC_INVALID = "spec_invalid"
REFUSED_WORDS = "The run refused what it was told to do; the log says why."
HOST_IS_FULL = "The host ran out of memory, and its system ended the run; try a smaller batch_size."
LIMIT_REACHED = (
    "The run used {used:.1f} GB of memory, {limit:.1f} GB are allowed; try a smaller batch_size, or raise "
    "CARTL_MEMORY_BYTES."
)
TIMEOUT = "timeout"
TIMEOUT_WORDS = "The run took longer than this service allows; a retry goes on from its last checkpoint."

OWN_TIMEOUT_WORDS = (
    "The run took longer than its request allows, `time_limit`; a retry goes on from its last checkpoint."
)


@dataclass(frozen=True)
class Verdict:
    """An arrow of the state table with what it needs."""

    move: Move
    reason: str = ""
    message: str = ""
    waiting_for: str | None = None

    def write(self, session: Session, claim: Claim) -> None:
        """Make it so.

        Raises:
            LostClaim: the job is no longer running under this token.
        """
        WRITERS[self.move](session, claim, self)


WRITERS: dict[Move, Callable[[Session, Claim, Verdict], None]] = {
    Move.COMPLETE: lambda session, claim, verdict: store.complete(session, claim),
    Move.FAIL: lambda session, claim, verdict: store.fail(session, claim, verdict.reason, verdict.message),
    Move.RELEASE: lambda session, claim, verdict: store.release(
        session, claim, waiting_for=verdict.waiting_for
    ),
    Move.REQUEUE_AFTER_CRASH: lambda session, claim, verdict: store.requeue_after_crash(
        session, claim, verdict.message
    ),
    Move.ACKNOWLEDGE: lambda session, claim, verdict: store.acknowledge_cancel(session, claim),
}


def judge(
    code: int,
    last_word: Finished | Failed | Stopped | None,
    asked: Asked | None,
    *,
    memory_ended: str | None = None,
    timeout_words: str = TIMEOUT_WORDS,
) -> Verdict:
    """Decide.

    Args:
        code: exit code of the process, or minus the number of a signal.
        last_word: how the run said that it ended.
        asked: what the supervisor had asked of it; a run that was asked and did not obey was killed.
        memory_ended: the words, where the run was killed for its memory.
        timeout_words: the words, where it took too long.
    """
    match last_word:
        case Finished():
            return Verdict(Move.COMPLETE)
        case Failed():
            return Verdict(Move.FAIL, reason=last_word.reason, message=last_word.message)
        case Stopped(why="waiting"):
            return Verdict(Move.RELEASE, waiting_for=last_word.waiting_for)
    if asked == "cancelled":
        return Verdict(Move.ACKNOWLEDGE)
    if asked == "timeout":
        return Verdict(Move.FAIL, reason=TIMEOUT, message=timeout_words)
    if asked == "interrupted":
        return Verdict(Move.RELEASE)
    if memory_ended is not None:
        return Verdict(Move.FAIL, reason=OutOfMemory.reason, message=memory_ended)
    if code == SPEC_REFUSED and last_word is None:
        return Verdict(Move.FAIL, reason=SPEC_INVALID, message=REFUSED_WORDS)
    return Verdict(Move.REQUEUE_AFTER_CRASH, message=f"the run {describe_exit(code)}")
