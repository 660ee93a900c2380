"""What the command ends with: one table, which scripts may rely on."""

from __future__ import annotations

from collections.abc import Mapping

from cartl.http.problems import ClientError, NotUsable, ServiceUnreachable

SUCCEEDED, FAILED, USAGE, CANCELLED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130

MEANINGS: dict[int, str] = {
    SUCCEEDED: "all is well; of a job that was watched: it succeeded",
    FAILED: "the service refused; a job that was watched, a row of `cartl doctor` or `cartl verify` failed",
    USAGE: "an argument, an option, a file, the address or the key cannot be used, or --yes is missing",
    CANCELLED: "a job that was watched was cancelled; of `cartl run`: it was stopped and can go on",
    UNREACHABLE: "no service answers at the address",
    INTERRUPTED: "Ctrl-C; jobs go on",
}

OF_STATES = {"succeeded": SUCCEEDED, "cancelled": CANCELLED}
"""Of jobs that have ended; any other state is a failure."""
OF_ERRORS: dict[type[ClientError], int] = {ServiceUnreachable: UNREACHABLE, NotUsable: USAGE}


def of_job(state: str) -> int:
    """How a job ended."""
    return OF_STATES.get(state, FAILED)


def of_sweep(states: Mapping[str, int], jobs: int) -> int:
    """How the jobs of a sweep ended: failed if one did, else cancelled if one was."""
    if states.get("succeeded") == jobs:
        return SUCCEEDED
    return CANCELLED if states.get("cancelled") and not states.get("failed") else FAILED


def of_error(error: Exception) -> int:
    """What went wrong before or beside a job."""
    return next((code for kind, code in OF_ERRORS.items() if isinstance(error, kind)), FAILED)
