"""A later version of the program: this one, with migrations that nobody has written yet."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from jobs.database.engine import newest_revision
from jobs.settings import Settings
from tests.fixtures.documents import ROOT
from tests.fixtures.postgres_server import free_port

START_SECONDS = 120

MODULE = '''"""A migration of the tests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None

COMPATIBLE_FROM = "{compatible_from}"


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
'''


@dataclass(frozen=True)
class Change:
    """What a migration does.

    Attributes:
        expands: the version before may go on after it.
        upgrade, downgrade: statements of Alembic.
    """

    expands: bool
    upgrade: tuple[str, ...]
    downgrade: tuple[str, ...]


EXPANSION = Change(
    expands=True,
    upgrade=(
        "op.add_column('jobs', sa.Column('colour', sa.String(16), nullable=False, server_default='grey'))",
        "op.create_table('colours', sa.Column('name', sa.String(16), primary_key=True))",
        "op.create_index('ix_jobs_colour', 'jobs', ['colour'])",
    ),
    downgrade=(
        "op.drop_index('ix_jobs_colour', 'jobs')",
        "op.drop_table('colours')",
        "op.drop_column('jobs', 'colour')",
    ),
)
CONTRACTION = Change(
    expands=False,
    upgrade=("op.execute('ALTER TABLE jobs RENAME COLUMN name TO title')",),
    downgrade=("op.execute('ALTER TABLE jobs RENAME COLUMN title TO name')",),
)
ADMINISTRATOR = """
import sys
from jobs.database import engine
from jobs.settings import Settings

database = engine.make_engine(Settings.from_env())
for line in sys.stdin:
    what, revision = line.split()
    {"migrate": engine.migrate, "downgrade": engine.downgrade}[what](database, revision)
    print(f"done: {what} {revision}", flush=True)
"""
"""What `python -m jobs` does, without a process for each command."""
UNDECLARED = Change(
    expands=False,
    upgrade=("op.create_table('shapes', sa.Column('name', sa.String(16), primary_key=True))",),
    downgrade=("op.drop_table('shapes')",),
)
"""It only adds, but does not say so: the version before must not go on, and the code of this one can."""


def after(number: int) -> str:
    """The migration that is so many after this version's newest."""
    return f"{int(newest_revision()) + number:04}"


@dataclass(frozen=True)
class LaterVersion:
    """A version whose modules lie in ``folder`` before those of this one."""

    folder: Path
    settings: Settings

    @property
    def environment(self) -> dict[str, str]:
        """For a process of this version, on the database and directories of ``settings``."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CARTL_")}
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join((str(self.folder), str(ROOT))),
            "CARTL_DATA_DIR": str(self.settings.data_dir),
            "CARTL_DATABASE_URL": self.settings.database_url,
            "CARTL_PORT": "0",
        }

    def run(self, *arguments: str, code: int = 0) -> str:
        """`python ARGUMENTS` of this version, which must end with ``code``; what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    @contextmanager
    def administrator(self) -> Iterator[Callable[[str, str], str]]:
        """A process of this version that migrates and downgrades to what it is told, until the block ends."""
        process = subprocess.Popen(
            [sys.executable, "-c", ADMINISTRATOR],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None and process.stdout is not None
        orders, answers = process.stdin, process.stdout

        def order(what: str, revision: str) -> str:
            orders.write(f"{what} {revision}\n")
            orders.flush()
            return answers.readline().strip()

        try:
            yield order
        finally:
            orders.close()
            process.wait(60)
            answers.close()

    @contextmanager
    def serving(self) -> Iterator[httpx.Client]:
        """`python -m api` of this version, until the block ends."""
        port = free_port()
        api = subprocess.Popen(
            [sys.executable, "-m", "api"],
            cwd=self.folder,
            env={**self.environment, "CARTL_PORT": str(port)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                _wait_until_ready(client, api)
                yield client
        finally:
            api.terminate()
            api.wait(60)


def _wait_until_ready(client: httpx.Client, api: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(httpx.TransportError):
            if client.get("/readyz").status_code == httpx.codes.OK:
                return
        assert api.poll() is None and time.monotonic() < deadline, "the API did not start"
        time.sleep(0.05)


def later_version(folder: Path, settings: Settings, *changes: Change) -> LaterVersion:
    """This version with ``changes`` behind its newest migration, in a new folder."""
    migrations = folder / "migrations"
    shutil.copytree(ROOT / "migrations", migrations, ignore=shutil.ignore_patterns("__pycache__"))
    for number, change in enumerate(changes, start=1):
        revision, before = after(number), after(number - 1)
        text = MODULE.format(
            revision=revision,
            before=before,
            compatible_from=before if change.expands else revision,
            upgrade="\n    ".join(change.upgrade),
            downgrade="\n    ".join(change.downgrade),
        )
        (migrations / "versions" / f"v{revision}_later.py").write_text(text)
    return LaterVersion(folder, settings)
