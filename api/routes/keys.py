"""API keys: list, rotate and revoke one's own; an operator makes, lists, rotates and revokes all.

The very first key is made on the command line.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.auth import Caller
from api.deps import CallerDep, ContextDep, Operator
from api.http.body import parse, read_body
from api.http.patterns import KEY_NAME, OWNER
from api.http.problems import Problem
from api.openapi import json_body, problems
from api.schemas import View
from cartl_core.spec.visible_text import VISIBLE
from cartl_core.strict_json import SMALL
from jobs.store.rights.audit import note
from jobs.store.rights.keys import (
    GRACE_SECONDS,
    LONGEST_GRACE_SECONDS,
    Role,
    keys_of,
    make_key,
    revoke,
    rotate,
)
from jobs.tables import ApiKey

router = APIRouter(tags=["keys"])

log = logging.getLogger("cartl.api")

KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
LONGEST_DAYS = 3650

Owner = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=OWNER)]
KeyId = Annotated[str, Path(max_length=64, description="Id of a key, the middle part of it.")]


class KeyRequest(BaseModel):
    """Whose key, and what it may do."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    owner: Owner = Field(description="Whom the key's jobs belong to.")
    role: Role = Field(
        default="submitter",
        description="What it may do; each includes those before it: look at what the owner has, "
        "submit and change it, run the service.",
    )
    name: Annotated[str, StringConstraints(max_length=200, pattern=KEY_NAME), VISIBLE] = Field(
        default="", description="For people: what it is for."
    )
    expires_in_days: float | None = Field(
        default=None,
        gt=0,
        le=LONGEST_DAYS,
        description="After which it counts no more; null: it counts until it is revoked.",
    )


class KeyView(View):
    """An API key, without its secret."""

    id: str
    owner: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute; null: never.")
    previous_until: datetime | None = Field(
        description="Until when the secret before the last rotation counts; null where there was none."
    )
    revoked_at: datetime | None
    in_use: bool = Field(description="True of the key that asks.")

    @classmethod
    def of(cls, key: ApiKey, caller: Caller) -> Self:
        """A row as it is shown to ``caller``."""
        named = {name: getattr(key, name) for name in cls.model_fields if name not in ("owner", "in_use")}
        return cls(owner=key.owner_id, in_use=key.id == caller.key_id, **named)


class KeyCreated(KeyView):
    """A key with a new secret, which is shown this once."""

    secret: str

    @classmethod
    def with_secret(cls, key: ApiKey, caller: Caller, secret: str) -> Self:
        """``KeyView.of``, and the secret."""
        return cls(**KeyView.of(key, caller).model_dump(), secret=secret)


class Keys(View):
    """API keys that count, oldest first."""

    data: list[KeyView]


KEY_EXAMPLES: dict[str, dict[str, Any]] = {
    "for a colleague": {"value": {"owner": "ada", "role": "submitter", "name": "notebook"}},
    "to look, for a month": {"value": {"owner": "ada", "role": "viewer", "expires_in_days": 30}},
}


async def get_key_body(request: Request, context: ContextDep, caller: Operator) -> bytes:
    """The raw body, read once the caller is known."""
    return await read_body(request, min(SMALL.size, context.settings.max_body_bytes))


KeyBody = Annotated[bytes, Depends(get_key_body)]


@router.post(
    "/keys",
    status_code=201,
    summary="Make a key",
    responses=problems(400, 413, 415),
    openapi_extra=json_body((KeyRequest,), KEY_EXAMPLES),
)
def create_key(caller: Operator, body: KeyBody, context: ContextDep, response: Response) -> KeyCreated:
    """The secret is in the answer, and nowhere else afterwards: only its hash is kept. Operators alone."""
    if caller.key_id is None:
        raise Problem("not-allowed", "The first key is made with `python -m jobs keys create --owner NAME`.")
    wanted = parse(KeyRequest, body, SMALL)
    days = wanted.expires_in_days
    with context.writing() as session:
        secret, key = make_key(
            wanted.owner, wanted.name, wanted.role, None if days is None else days * 86_400.0
        )
        session.add(key)
        session.flush()
        note(session, caller.actor, "key.create", key.id, of=wanted.owner, role=wanted.role)
        made = KeyCreated.with_secret(key, caller, secret)
    response.headers["Cache-Control"] = "no-store"
    return made


@router.get("/keys", summary="List keys", responses=problems())
def list_keys(caller: CallerDep, context: ContextDep) -> Keys:
    """Your keys that count, oldest first, without their secrets; an operator sees those of all owners."""
    with context.reading() as session:
        return Keys(data=[KeyView.of(key, caller) for key in keys_of(session, _whose(caller))])


@router.post("/keys/{key_id}/rotate", summary="Give a key a new secret", responses=problems(404))
def rotate_key(
    key_id: KeyId,
    caller: CallerDep,
    context: ContextDep,
    response: Response,
    grace_seconds: Annotated[
        int,
        Query(ge=0, le=LONGEST_GRACE_SECONDS, description="How long the secret until now counts beside it."),
    ] = GRACE_SECONDS,
) -> KeyCreated:
    """Id, owner, role and expiry stay. Browser sessions of the key and its links to reports end.

    A key may rotate itself, an operator's any. If others may know its secret, revoke the key instead.
    """
    _check(key_id)
    if key_id != caller.key_id:
        caller.demand("operator")
    with context.writing() as session:
        secret, key = rotate(session, key_id, grace_seconds)
        note(session, caller.actor, "key.rotate", key_id, of=key.owner_id, grace_seconds=grace_seconds)
        made = KeyCreated.with_secret(key, caller, secret)
    response.headers["Cache-Control"] = "no-store"
    return made


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke a key", responses=problems(404))
def revoke_key(key_id: KeyId, caller: CallerDep, context: ContextDep) -> None:
    """The key is refused from now on, and its browser sessions, event streams and links end.

    Any key may revoke itself; a submitter's, any of its owner's; an operator's, all. A key that was
    revoked before is not found.
    """
    _check(key_id)
    if key_id != caller.key_id:
        caller.demand("submitter")
    with context.writing() as session:
        revoked = revoke(session, key_id, _whose(caller))
        if revoked is None:
            raise Problem("not-found", "There is no such key.")
        note(session, caller.actor, "key.revoke", key_id, of=revoked.owner_id)
    log.info("key %s was revoked by %s", key_id, caller.owner)


def _whose(caller: Caller) -> str | None:
    """Whose keys a caller deals with; None for those of all owners."""
    return None if caller.is_operator else caller.owner


def _check(key_id: str) -> None:
    if not KEY_ID.fullmatch(key_id):
        raise Problem("not-found", "There is no such key.")
