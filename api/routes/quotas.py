"""Quotas: what you may use and use; an operator sees and sets those of any owner."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api.deps import ContextDep, Operator, Reader
from api.http.body import parse, read_body
from api.http.patterns import OWNER
from api.http.problems import Problem
from api.openapi import json_body, problems
from api.schemas import View
from cartl_core.strict_json import SMALL
from jobs.settings import Settings
from jobs.store.quotas.limits import (
    NAMES,
    clear_quota,
    limits_of,
    quotas_of_owners,
    set_quota,
    used_by,
)
from jobs.store.rights.audit import note
from jobs.tables import OwnerQuota

router = APIRouter(tags=["quotas"])

MOST = 10**9
MOST_BYTES = 2**50

OfOwner = Annotated[str, Path(max_length=64, pattern=OWNER, description="The owner of keys.")]
Count = Annotated[int, Field(ge=0, le=MOST)]


class QuotaRequest(BaseModel):
    """Limits of one owner; what is null or left out is that of the settings."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    queued: Count | None = Field(default=None, description="Jobs that wait.")
    running: Count | None = Field(default=None, description="Jobs that run.")
    device_seconds: Count | None = Field(
        default=None, description="Of all devices together, within the window of days."
    )
    stored_bytes: Annotated[int, Field(ge=0, le=MOST_BYTES)] | None = Field(
        default=None, description="Of uploads, data sets, teachers and files of jobs."
    )


class QuotaView(View):
    """One limit, and what is used of it."""

    allowed: float | None = Field(description="null: no limit.")
    used: float


class Quota(View):
    """The limits of an owner, and what is used now."""

    owner: str
    queued: QuotaView
    running: QuotaView
    device_seconds: QuotaView
    stored_bytes: QuotaView
    window_days: float = Field(description="Device seconds count for so long after they were used.")

    @classmethod
    def read(cls, session: Session, owner: str, settings: Settings) -> Quota:
        """As it is now."""
        limits = limits_of(session, owner, settings.owner_limits)
        used = used_by(session, owner, limits.window_days)
        found = {name: QuotaView(allowed=getattr(limits, name), used=getattr(used, name)) for name in NAMES}
        return cls(owner=owner, window_days=limits.window_days, **found)


class OwnLimits(QuotaRequest):
    """What an operator has set for an owner."""

    owner: str

    @classmethod
    def of(cls, row: OwnerQuota) -> OwnLimits:
        """A row as it is shown."""
        return cls(owner=row.owner_id, **{name: getattr(row, name) for name in NAMES})


class OwnersLimits(View):
    """All that operators have set, by owner."""

    data: list[OwnLimits]


QUOTA_EXAMPLES = {"a hundred device hours": {"value": {"device_seconds": 360000, "running": 2}}}


@router.get(
    "/quota", summary="Your limits, and what is used of them", response_model=Quota, responses=problems()
)
def get_own_quota(caller: Reader, context: ContextDep) -> Quota:
    """Of the key's owner. Further limits, on the size of a job and of what is sent, are in the settings."""
    with context.reading() as session:
        return Quota.read(session, caller.owner, context.settings)


@router.get("/quotas", summary="Limits that operators have set", responses=problems())
def list_quotas(caller: Operator, context: ContextDep) -> OwnersLimits:
    """By owner; for all others the settings count."""
    with context.reading() as session:
        return OwnersLimits(data=[OwnLimits.of(row) for row in quotas_of_owners(session)])


@router.get("/quotas/{owner}", summary="Limits of an owner, and what is used of them", responses=problems())
def get_quota(owner: OfOwner, caller: Operator, context: ContextDep) -> Quota:
    """Of any owner; whether there is one is not told."""
    with context.reading() as session:
        return Quota.read(session, owner, context.settings)


async def get_quota_body(request: Request, context: ContextDep, caller: Operator) -> bytes:
    """The raw body, read once the caller is known."""
    return await read_body(request, min(SMALL.size, context.settings.max_body_bytes))


@router.put(
    "/quotas/{owner}",
    summary="Set the limits of an owner",
    responses=problems(400, 413, 415),
    openapi_extra=json_body((QuotaRequest,), QUOTA_EXAMPLES),
)
def put_quota(
    owner: OfOwner,
    caller: Operator,
    body: Annotated[bytes, Depends(get_quota_body)],
    context: ContextDep,
) -> Quota:
    """What is left out is that of the settings. It counts within a second; what runs goes on."""
    wanted = parse(QuotaRequest, body, SMALL).model_dump(exclude_none=True)
    with context.writing() as session:
        set_quota(session, owner, wanted)
        note(session, caller.actor, "quota.set", owner, of=owner, **wanted)
        session.flush()
        return Quota.read(session, owner, context.settings)


@router.delete(
    "/quotas/{owner}", status_code=204, summary="Let the settings count for an owner", responses=problems(404)
)
def delete_quota(owner: OfOwner, caller: Operator, context: ContextDep) -> None:
    """Limits that were set before count no more."""
    with context.writing() as session:
        if not clear_quota(session, owner):
            raise Problem("not-found", "Nothing is set for this owner.")
        note(session, caller.actor, "quota.clear", owner, of=owner)
