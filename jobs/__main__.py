"""The administrator's command: ``python -m jobs migrate | check | keys create | diagram``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from sqlalchemy.exc import OperationalError

from jobs.database import check as check_database
from jobs.database import make_engine, newest_revision, session_factory, transaction
from jobs.database import migrate as migrate_database
from jobs.errors import DatabaseBehind
from jobs.keys import LOCAL_OWNER, SCOPES, any_key, make_key
from jobs.queue import broker_answers, make_celery
from jobs.settings import Settings
from jobs.state import diagram as state_diagram

FIRST_KEY_OWNER = "admin"

app = typer.Typer(help="Look after the record of jobs.", no_args_is_help=True, add_completion=False)
keys = typer.Typer(help="Keys of the HTTP interface.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@app.command()
def migrate(
    first_key: Annotated[
        bool, typer.Option(help="Where there is no key, make one with all scopes and print it, once.")
    ] = False,
) -> None:
    """Bring the database to this version's tables."""
    settings = Settings.from_env()
    engine = make_engine(settings)
    migrate_database(engine)
    say(f"The database is at migration {newest_revision()}.")
    if not first_key:
        return
    with transaction(session_factory(engine)) as session:
        if any_key(session):
            say("There is a key already; none was made.")
            return
        plain, row = make_key(FIRST_KEY_OWNER, "first key", SCOPES)
        session.add(row)
    say(f"The first key, shown this once:\n{plain}")


@keys.command("create")
def create_key(
    owner: Annotated[str, typer.Option(help="Whose jobs the key sees.")] = LOCAL_OWNER,
    scopes: Annotated[
        list[str], typer.Option("--scope", "--scopes", help=f"One or more of {', '.join(SCOPES)}.")
    ] = ["read", "submit"],  # noqa: B006  typer reads the default, nobody changes it
    name: Annotated[str, typer.Option(help="What it is for.")] = "made at the console",
) -> None:
    """Make a key and print it: the only time that it is shown."""
    wanted = [scope for given in scopes for scope in given.split(",") if scope]
    try:
        plain, row = make_key(owner, name, wanted)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    with transaction(session_factory(make_engine(Settings.from_env()))) as session:
        session.add(row)
    say(plain)


@app.command()
def check() -> None:
    """Say whether database and broker are ready; exit status 1 unless the database is."""
    settings = Settings.from_env()
    try:
        check_database(make_engine(settings))
    except (DatabaseBehind, OperationalError) as error:
        say(f"database: {str(error).splitlines()[0]}")
        raise typer.Exit(1) from error
    say(f"database: at migration {newest_revision()}")
    answers = broker_answers(make_celery(settings))
    say("broker: answers" if answers else "broker: does not answer; jobs start when the sweeper finds them")


@app.command()
def diagram() -> None:
    """Print the states of a job as a Mermaid diagram."""
    say(state_diagram())


def say(line: str) -> None:
    """One line on standard output."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    app()
