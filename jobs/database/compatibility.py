"""Which programs may use a database: those of its newest migration, and earlier ones that it names.

A migration says in ``COMPATIBLE_FROM`` which is the oldest program, by its newest migration, that may go on
after it; without that it is the migration's own. The strictest value of all applied migrations stands in
the database, since an earlier program does not know later migrations.
"""

from __future__ import annotations

from dataclasses import dataclass

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.orm import Session

from jobs.errors import DatabaseAhead, DatabaseBehind

TABLE = "schema_compatibility"
_READ = text(f"SELECT compatible_from FROM {TABLE} WHERE revision = :revision")
_CLEAR = text(f"DELETE FROM {TABLE}")
_WRITE = text(f"INSERT INTO {TABLE} (revision, compatible_from) VALUES (:revision, :compatible_from)")


@dataclass(frozen=True)
class Standing:
    """Where a database is that this program may use.

    Attributes:
        revision: its newest migration.
        newest: the newest migration that this program knows.
    """

    revision: str
    newest: str

    @property
    def is_newer(self) -> bool:
        """A newer version has migrated it, and lets this one go on."""
        return self.revision > self.newest

    @property
    def words(self) -> str:
        """For people."""
        if not self.is_newer:
            return f"at migration {self.revision}"
        at, newest = self.revision, self.newest
        return f"at migration {at} of a newer version; this one, of migration {newest}, may go on"


def compatible_from(scripts: ScriptDirectory, revision: str) -> str:
    """The oldest program that may use a database at ``revision``, by its newest migration.

    Raises:
        ValueError: a migration names one that is unknown, or later than itself.
    """
    known = {script.revision for script in scripts.walk_revisions()}
    strictest = ""
    for script in scripts.iterate_revisions(revision, "base"):
        named = getattr(script.module, "COMPATIBLE_FROM", script.revision)
        if named not in known or named > script.revision:
            raise ValueError(
                f"migration {script.revision}: COMPATIBLE_FROM is {named!r}, no earlier migration"
            )
        strictest = max(strictest, named)
    return strictest


def write_compatibility(connection: Connection, scripts: ScriptDirectory, revision: str | None) -> None:
    """Say in a database that is now at ``revision`` which programs may use it; before 0024 it cannot."""
    if revision is None or not inspect(connection).has_table(TABLE):
        return
    named = compatible_from(scripts, revision)
    if _named_in(connection, revision) == named:
        return
    connection.execute(_CLEAR)
    connection.execute(_WRITE, {"revision": revision, "compatible_from": named})


@dataclass(frozen=True)
class Program:
    """This version of the program, as databases see it.

    Attributes:
        newest: its newest migration.
        known: all of its migrations.
        oldest_beside: the newest migration of the oldest program that may go on once this one has migrated.
    """

    newest: str
    known: frozenset[str]
    oldest_beside: str

    @staticmethod
    def of(scripts: ScriptDirectory) -> Program:
        """The program whose migrations these are.

        Raises:
            ValueError: a migration names no earlier one.
        """
        newest = scripts.get_current_head()
        if newest is None:
            raise ValueError("this version has no migrations")
        known = frozenset(script.revision for script in scripts.walk_revisions())
        return Program(newest, known, compatible_from(scripts, newest))

    def standing(self, database: Session | Connection, current: str | None) -> Standing:
        """Where a database at ``current`` is; refused unless this version may use it.

        Raises:
            DatabaseBehind: it lacks migrations.
            DatabaseAhead: a newer version has migrated it, and this one cannot use it.
        """
        if current is None or (current in self.known and current != self.newest):
            raise self._behind(current)
        if current not in self.known:
            oldest = _named_in(database, current)
            if oldest is None or self.newest < oldest:
                raise self.ahead(current, oldest)
        return Standing(current, self.newest)

    def ahead(self, current: str, oldest: str | None = None) -> DatabaseAhead:
        """The words for a database that a newer version has migrated to ``current``."""
        named = f" for versions from migration {oldest} on" if oldest else ""
        return DatabaseAhead(
            f"the database is at migration {current}, which this version does not know (its newest is "
            f"{self.newest}): a newer version has migrated it{named}. Run that version; or go back with its "
            f"`python -m jobs downgrade {self.newest}`, or with the copy from before the upgrade "
            "(docs/how-to/operate.md)",
            current=current,
            newest=self.newest,
        )

    def _behind(self, current: str | None) -> DatabaseBehind:
        goes_on = current is not None and current >= self.oldest_beside
        then = "may go on beside this one" if goes_on else "must be stopped first"
        version = f"; a version of migration {current} {then}" if current else ""
        return DatabaseBehind(
            f"the database is at migration {current or 'none'}, this version needs {self.newest}; "
            f"run `python -m jobs migrate`{version}",
            current=current,
            newest=self.newest,
        )


def _named_in(database: Session | Connection, revision: str) -> str | None:
    """The oldest program that a database at ``revision`` names; None where it names none."""
    connection = database.connection() if isinstance(database, Session) else database
    if not inspect(connection).has_table(TABLE):
        return None
    found: str | None = connection.execute(_READ, {"revision": revision}).scalar_one_or_none()
    return found
