"""The administrator's command: ``python -m jobs migrate | downgrade | check | keys | audit | prune ...``."""

from __future__ import annotations

import math
import socket
import sys
from typing import Annotated

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from jobs.commands import audit, keys
from jobs.commands.database import in_words, ready_engine
from jobs.commands.keys import leave_first_key
from jobs.database.engine import check as check_database
from jobs.database.engine import downgrade as downgrade_database
from jobs.database.engine import (
    known_revisions,
    make_engine,
    reading,
    session_factory,
    transaction,
)
from jobs.database.engine import migrate as migrate_database
from jobs.entry import ending_in_words, first_line
from jobs.errors import DatabaseMismatch
from jobs.files.directory_id import adopt_directories
from jobs.files.private import keep_private
from jobs.files.retention import prune
from jobs.queue import broker_answers, make_celery
from jobs.settings import Settings
from jobs.state import diagram as state_diagram
from jobs.store import workers

app = typer.Typer(
    help="Look after the record of jobs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")


@app.callback()
def prepare() -> None:
    """Look after the record of jobs."""
    keep_private(Settings.from_env())


@app.command()
def migrate(
    first_key: Annotated[
        bool,
        typer.Option(
            help="Where there is no key, make one of an operator in a file; `keys first` prints it."
        ),
    ] = False,
) -> None:
    """Bring the database to this version's tables."""
    settings = Settings.from_env()
    engine = make_engine(settings)
    with in_words():
        standing = migrate_database(engine)
    say(f"The database is {standing.words}.")
    if not first_key:
        return
    with transaction(session_factory(engine)) as session:
        left = leave_first_key(settings, session)
    if left is None:
        say("There is a key already; none was made.")
        return
    say(f"The first key is in {left}; `python -m jobs keys first` prints it, once, and deletes the file.")


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="The newest migration of the version to go back to.")],
) -> None:
    """Bring the database back to the tables of an earlier version; what newer tables hold is lost."""
    engine = make_engine(Settings.from_env())
    with in_words():
        if revision not in known_revisions():
            known = ", ".join(sorted(known_revisions()))
            raise DatabaseMismatch(f"there is no migration {revision}; known: {known}")
        downgrade_database(engine, revision)
    say(f"The database is at migration {revision}. Start no process of this version on it.")


@app.command()
def check(
    worker: Annotated[
        bool,
        typer.Option("--worker", help="Ask for a live worker of this host too; the broker is not asked."),
    ] = False,
) -> None:
    """Say whether database and broker are ready; exit status 1 unless the database is."""
    settings = Settings.from_env()
    engine = make_engine(settings)
    try:
        standing = check_database(engine)
    except (DatabaseMismatch, OperationalError) as error:
        say(f"database: {first_line(error)}")
        raise typer.Exit(1) from error
    say(f"database: {standing.words}")
    if worker:
        _check_worker(engine, settings.lease_seconds)
        return
    answers = broker_answers(make_celery(settings))
    away = "broker: does not answer; jobs start when a worker's maintenance finds them"
    say("broker: answers" if answers else away)


def _check_worker(engine: Engine, seconds: float) -> None:
    """A worker that has not been heard of for as long as a lease lasts would lose its job."""
    host = socket.gethostname()
    with reading(session_factory(engine)) as session:
        alive = [row for row in workers(session, seen_within_seconds=seconds) if row.host == host]
    if not alive:
        say(f"worker: none on {host} was heard of in the last {seconds:.0f} seconds")
        raise typer.Exit(1)
    say(f"worker: {alive[0].id} is alive")


@app.command("prune")
def prune_files(
    older_than: Annotated[
        float | None,
        typer.Option(
            min=0, max=10_000, metavar="DAYS", help="Instead of the setting CARTL_RETENTION_DAYS (30)."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove old stages, checkpoints and files that no job needs; docs/how-to/operate.md has the policy."""
    settings = Settings.from_env()
    days = settings.retention_days if older_than is None else older_than
    if math.isnan(days):
        raise typer.BadParameter("it is no number of days", param_hint="--older-than")
    factory = session_factory(ready_engine(settings))
    pruned = prune(factory, settings, older_than_days=days, dry_run=dry_run)
    for path in pruned.paths:
        say(str(path))
    say(
        f"{'Would remove' if dry_run else 'Removed'} {pruned.stages} stages, "
        f"{pruned.checkpoints} checkpoints, {pruned.uploads} uploads, {pruned.tasks} tasks, "
        f"{pruned.resources} data sets and teachers, {pruned.deliveries} deliveries of webhooks, "
        f"{pruned.idempotency_keys} idempotency keys, "
        f"{len(pruned.paths)} directories ({pruned.size} bytes)."
    )


@app.command()
def adopt() -> None:
    """Let the database belong to this host's directories of stages and artifacts, after a move on purpose."""
    settings = Settings.from_env()
    settings.make_directories()
    with transaction(session_factory(ready_engine(settings))) as session:
        adopt_directories(session, settings)
    places = settings.store or f"{settings.stages_dir} and {settings.artifacts_dir}"
    say(f"The database belongs to {places}.")


@app.command()
def diagram() -> None:
    """Print the states of a job as a Mermaid diagram."""
    say(state_diagram())


def say(line: str) -> None:
    """One line on standard output."""
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Run the command that the command line names."""
    app()
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_words(main))
