"""How a command ended, as the exit code of its process."""

FINISHED, FAILED, WRONG_SPEC, STOPPED = 0, 1, 2, 3
