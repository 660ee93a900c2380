"""API keys: list and revoke one's own; an admin makes, lists and revokes all.

The very first key is made on the command line.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.auth import Caller
from api.deps import Admin, CallerDep, ContextDep
from api.http.body import parse, read_body
from api.http.patterns import KEY_NAME, OWNER
from api.http.problems import Problem
from api.openapi import json_body, problems
from api.schemas import View
from cartl_core.spec import ARRAY
from cartl_core.spec.visible_text import VISIBLE
from cartl_core.strict_json import SMALL
from jobs.store.rights.keys import Scope, keys_of, make_key, revoke
from jobs.tables import ApiKey

router = APIRouter(tags=["keys"])

log = logging.getLogger("cartl.api")

ADMIN = "admin"
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

Owner = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=OWNER)]


class KeyRequest(BaseModel):
    """Whose key, and what it may do."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    owner: Owner = Field(description="Whom the key's jobs belong to.")
    scopes: Annotated[tuple[Scope, ...], ARRAY, Field(min_length=1, max_length=3)] = ("read", "submit")
    name: Annotated[str, StringConstraints(max_length=200, pattern=KEY_NAME), VISIBLE] = Field(
        default="", description="For people: what it is for."
    )


class KeyView(View):
    """An API key, without its secret."""

    id: str
    owner: str
    name: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None
    in_use: bool = Field(description="True of the key that asks.")

    @classmethod
    def of(cls, key: ApiKey, caller: Caller) -> Self:
        """A row as it is shown to ``caller``."""
        return cls(
            id=key.id,
            owner=key.owner_id,
            name=key.name,
            scopes=key.scopes,
            created_at=key.created_at,
            revoked_at=key.revoked_at,
            in_use=key.id == caller.key_id,
        )


class KeyCreated(KeyView):
    """A new API key. Its secret is shown this once."""

    secret: str


class Keys(View):
    """API keys that count, oldest first."""

    data: list[KeyView]


KEY_EXAMPLES = {
    "for a colleague": {"value": {"owner": "ada", "scopes": ["read", "submit"], "name": "notebook"}}
}


async def get_key_body(request: Request, context: ContextDep, caller: Admin) -> bytes:
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
def create_key(caller: Admin, body: KeyBody, context: ContextDep, response: Response) -> KeyCreated:
    """The secret is in the answer, and nowhere else afterwards: only its hash is kept."""
    if caller.key_id is None:
        raise Problem("not-allowed", "The first key is made with `python -m jobs keys create --owner NAME`.")
    wanted = parse(KeyRequest, body, SMALL)
    with context.writing() as session:
        secret, key = make_key(wanted.owner, wanted.name, wanted.scopes)
        session.add(key)
        session.flush()
        view = KeyView.of(key, caller)
    response.headers["Cache-Control"] = "no-store"
    return KeyCreated(**view.model_dump(), secret=secret)


@router.get("/keys", summary="List keys", responses=problems())
def list_keys(caller: CallerDep, context: ContextDep) -> Keys:
    """Your keys that count, oldest first, without their secrets; an admin sees those of all owners."""
    owner = None if ADMIN in caller.scopes else caller.demand("read").owner
    with context.reading() as session:
        return Keys(data=[KeyView.of(key, caller) for key in keys_of(session, owner)])


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke a key", responses=problems(404))
def revoke_key(key_id: Annotated[str, Path(max_length=64)], caller: CallerDep, context: ContextDep) -> None:
    """The key is refused from now on, and its browser sessions, event streams and links end.

    Any key may revoke itself; one that may submit, any of its owner's; an admin's, all. A key that was
    revoked before is not found.
    """
    if not KEY_ID.fullmatch(key_id):
        raise Problem("not-found", "There is no such key.")
    if key_id != caller.key_id and ADMIN not in caller.scopes:
        caller.demand("submit")
    owner = None if ADMIN in caller.scopes else caller.owner
    with context.writing() as session:
        if not revoke(session, key_id, owner):
            raise Problem("not-found", "There is no such key.")
    log.info("key %s was revoked by %s", key_id, caller.owner)
