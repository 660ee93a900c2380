"""`python -m jobs keys ...`: keys of all owners, at the console of the service."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from sqlalchemy.orm import Session

from jobs.commands.database import ready_engine
from jobs.database.engine import reading, session_factory, transaction
from jobs.errors import KeyNotFound
from jobs.settings import Settings
from jobs.store.rights.audit import AT_THE_CONSOLE, note
from jobs.store.rights.keys import (
    GRACE_SECONDS,
    LOCAL_OWNER,
    LONGEST_GRACE_SECONDS,
    ROLES,
    Role,
    any_key,
    keys_of,
    make_key,
)
from jobs.store.rights.keys import revoke as revoke_in
from jobs.store.rights.keys import rotate as rotate_in

FIRST_KEY_OWNER = "admin"
FIRST_KEY_FILE = "first-key"
HOUR, DAY = 3600.0, 86_400.0

app = typer.Typer(help="Keys of the HTTP interface.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(help="The middle part of the key, as `keys list` shows it.")]


@app.command()
def create(
    owner: Annotated[str, typer.Option(help="Whose jobs the key sees.")] = LOCAL_OWNER,
    role: Annotated[
        str, typer.Option(help=f"What it may do: {', '.join(ROLES)}; each includes those before it.")
    ] = "submitter",
    name: Annotated[str, typer.Option(help="What it is for.")] = "made at the console",
    expires_days: Annotated[
        float | None,
        typer.Option(min=0.001, max=3650, metavar="DAYS", help="After which it counts no more."),
    ] = None,
) -> None:
    """Make a key and print it: the only time that it is shown."""
    if role not in ROLES:
        raise typer.BadParameter(f"it must be one of {', '.join(ROLES)}", param_hint="--role")
    lifetime = None if expires_days is None else expires_days * DAY
    with transaction(session_factory(ready_engine(Settings.from_env()))) as session:
        plain = _made(session, owner, name, role, lifetime)
    _say(plain)


def _made(session: Session, owner: str, name: str, role: str, lifetime: float | None = None) -> str:
    known: Role = next(one for one in ROLES if one == role)
    try:
        plain, row = make_key(owner, name, known, lifetime)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    session.add(row)
    session.flush()
    note(session, AT_THE_CONSOLE, "key.create", row.id, of=owner, role=role)
    return plain


@app.command("list")
def list_all() -> None:
    """The keys of all owners that count, without their secrets: id, owner, role, last use, expiry, name."""
    with reading(session_factory(ready_engine(Settings.from_env()))) as session:
        for key in keys_of(session):
            used = key.last_used_at.isoformat(timespec="minutes") if key.last_used_at else "never used"
            ends = key.expires_at.isoformat(timespec="minutes") if key.expires_at else "does not expire"
            _say("\t".join((key.id, key.owner_id, key.role, used, ends, key.name)))


@app.command()
def rotate(
    key_id: KeyId,
    grace_hours: Annotated[
        float,
        typer.Option(
            min=0, max=LONGEST_GRACE_SECONDS / HOUR, help="How long the secret until now counts beside it."
        ),
    ] = GRACE_SECONDS / HOUR,
) -> None:
    """Give a key a new secret and print it: the only time that it is shown."""
    try:
        with transaction(session_factory(ready_engine(Settings.from_env()))) as session:
            plain, row = rotate_in(session, key_id, grace_hours * HOUR)
            note(session, AT_THE_CONSOLE, "key.rotate", key_id, of=row.owner_id)
    except KeyNotFound:
        _end("There is no such key that counts; `keys list` has all that do.")
    _say(plain)


@app.command()
def revoke(key_id: KeyId) -> None:
    """Let a key count no more."""
    with transaction(session_factory(ready_engine(Settings.from_env()))) as session:
        gone = revoke_in(session, key_id)
        if gone is None:
            _end("There is no such key that counts; `keys list` has all that do.")
        note(session, AT_THE_CONSOLE, "key.revoke", key_id, of=gone.owner_id)
    _say(f"The key {key_id} of {gone.owner_id} counts no more.")


@app.command()
def first() -> None:
    """Print the first key, which `migrate --first-key` has left in a file, and delete the file."""
    path = _first_key_file(Settings.from_env())
    taken = path.with_name(f"{FIRST_KEY_FILE}.{os.getpid()}")
    try:
        path.rename(taken)  # of two who read it at once one has it
    except FileNotFoundError:
        _end("There is no first key to show: it was shown before, or never made. Make one: `keys create`.")
    plain = taken.read_text(encoding="ascii")
    taken.unlink()
    _say(plain)


def leave_first_key(settings: Settings, session: Session) -> Path | None:
    """Make a key of an operator where none counts, in a file for this user alone; None where there is one.

    The file is written before the transaction ends: a key that nobody knows would close the service.
    """
    if any_key(session):
        return None
    plain = _made(session, FIRST_KEY_OWNER, "first key", "operator")
    path = _first_key_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(plain)
    return path


def _first_key_file(settings: Settings) -> Path:
    return settings.data_dir / FIRST_KEY_FILE


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _end(why: str) -> NoReturn:
    typer.echo(why, err=True)
    raise typer.Exit(1)
