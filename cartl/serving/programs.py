"""The other programs of this package, each a process: this one imports neither torch nor a database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from cartl.http.problems import NotInstalled, NotUsable


@dataclass(frozen=True)
class Done:
    """How a program ended: its exit code, and what it said on standard output where that was not shown."""

    code: int
    lines: list[str]


@dataclass(frozen=True)
class Program:
    """`python -m MODULE`, which needs packages of an extra."""

    module: str
    extra: str
    needed: tuple[str, ...]

    def run(
        self,
        arguments: Sequence[str],
        *,
        settings: Mapping[str, str] | None = None,
        shown: bool,
        seconds: float | None = None,
        with_errors: bool = False,
    ) -> Done:
        """Run it to its end; standard error is always shown, unless it is wanted with the lines.

        Args:
            arguments: behind the module.
            settings: variables over those of this process.
            shown: let it write to the terminal itself, instead of keeping its lines.
            seconds: then it is killed.
            with_errors: what it says on standard error is among the lines.

        Raises:
            NotInstalled: the extra that it needs is missing.
            NotUsable: an argument holds what no argument can.
        """
        absent = [name for name in self.needed if find_spec(name) is None]
        if absent:
            raise NotInstalled(
                f"this needs {' and '.join(absent)}: pip install 'cartl[{self.extra}]', "
                f"or in a checkout pip install '.[{self.extra}]'"
            )
        sys.stdout.flush()
        try:
            done = subprocess.run(
                [sys.executable, "-m", self.module, *arguments],
                env={**os.environ, **(settings or {})},
                stdin=subprocess.DEVNULL,
                stdout=None if shown else subprocess.PIPE,
                stderr=subprocess.STDOUT if with_errors else None,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Done(1, [f"it did not end within {seconds:.0f} seconds"])
        except (ValueError, UnicodeError) as error:
            raise NotUsable("what was typed holds characters that no argument of a program can") from error
        lines = (done.stdout or b"").decode("utf-8", errors="replace").splitlines()
        return Done(done.returncode, lines)


LIBRARY = Program("cartl_core", "core", ("torch", "safetensors"))
RECORD = Program("jobs", "api", ("sqlalchemy", "alembic", "celery", "pydantic_settings"))
