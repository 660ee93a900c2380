"""The border of a process: what a person or the machine can mend ends in a line, not in a trace."""

from __future__ import annotations

import sys
from collections.abc import Callable

from kombu.exceptions import KombuError
from sqlalchemy.exc import SQLAlchemyError

from cartl_core.errors import CartlError

FAILED = 1


def ending_in_words(main: Callable[[], int]) -> int:
    """The exit code of ``main``; settings, files and servers that cannot be used are told on stderr."""
    try:
        return main()
    except CartlError as error:
        why = str(error)
    except SQLAlchemyError as error:
        why = f"the database cannot be used: {first_line(error)}"
    except KombuError as error:
        why = f"the broker cannot be used: {first_line(error)}"
    except OSError as error:
        why = ": ".join(
            str(part) for part in (error.filename, error.strerror or type(error).__name__) if part
        )
    sys.stderr.write(f"{why}\n")
    return FAILED


def first_line(error: BaseException) -> str:
    """An error's message without the SQL and the parameters that follow it."""
    return (str(error).splitlines() or [type(error).__name__])[0]
