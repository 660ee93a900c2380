"""Networks to measure: upload, list, look, delete. The body is the file, written to disk as it comes."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from pydantic import Field, WithJsonSchema

from api.auth import Caller
from api.deps import (
    EXAMPLE_ID,
    AppContext,
    ContextDep,
    Reader,
    Submitter,
    app_context,
    authenticate,
)
from api.http.body import declared_size, too_large
from api.http.problems import Problem
from api.openapi import problems
from api.receiving import CONTENT, check_binary
from api.schemas import STANDS_FOR, View
from cartl_core.storage.store import Pending
from jobs.files.reservations import RENEW_SECONDS, Reservation, release, renew, reserve
from jobs.files.stores import artifact_store
from jobs.files.uploads import forget_upload, inspect_upload, store_upload, upload_of, uploads_of
from jobs.store.rights.audit import note
from jobs.tables import Upload

router = APIRouter(tags=["uploads"])

UPLOAD_ID = re.compile(r"[0-9a-f]{1,64}")


class UploadView(View):
    """An uploaded network, as its file describes it."""

    id: str
    size: int = Field(ge=0, description="Bytes.")
    sha256: str
    architecture: Annotated[dict[str, Any], WithJsonSchema({STANDS_FOR: ["Architecture"]})]
    created_at: datetime

    @classmethod
    def of(cls, row: Upload) -> Self:
        """A row as it is shown."""
        return cls(
            id=row.id,
            size=row.size,
            sha256=row.sha256,
            architecture=row.architecture,
            created_at=row.created_at,
        )


class Uploads(View):
    """All uploads of the caller, newest first."""

    data: list[UploadView]


async def get_upload_id(
    upload_id: Annotated[str, Path(description="The upload's id.", examples=[EXAMPLE_ID])],
) -> str:
    """An upload's id; what cannot be one is not asked of the database."""
    if not UPLOAD_ID.fullmatch(upload_id):
        raise Problem("not-found", "There is no such upload.")
    return upload_id


UploadId = Annotated[str, Depends(get_upload_id)]


@router.post(
    "/uploads",
    status_code=201,
    summary="Upload a network",
    response_model=UploadView,
    responses={
        **problems(413, 415),
        201: {
            "description": "The network is kept",
            "headers": {"Location": {"description": "Path of the upload", "schema": {"type": "string"}}},
        },
    },
    openapi_extra=CONTENT,
)
async def create_upload(request: Request) -> Response:
    """A safetensors file that a cartl run has exported (`student.safetensors`), as the raw body.

    It holds its own architecture. Name its id in the `network` of a job of `kind: evaluate`.
    """
    context = app_context(request)
    caller = (await run_in_threadpool(authenticate, request, context)).demand("submitter")
    check_binary(request)
    declared = declared_size(request)
    if declared > context.settings.max_upload_bytes:
        raise too_large(context.settings.max_upload_bytes)
    async with (
        _reserved(context, caller.owner, declared) as reservation,
        contextmanager_in_threadpool(artifact_store(context.settings).pending()) as incoming,
    ):
        await _receive(request, context, incoming, reservation)
        view = await run_in_threadpool(_keep, context, caller, incoming, reservation)
    return Response(
        view.model_dump_json(), 201, {"Location": f"/uploads/{view.id}"}, media_type="application/json"
    )


@asynccontextmanager
async def _reserved(context: AppContext, owner: str, declared: int) -> AsyncIterator[Reservation]:
    """A place for one upload, given back when it breaks off."""

    def take_place() -> Reservation:
        with context.writing() as session:
            return reserve(session, context.settings, owner, declared)

    def give_back() -> None:
        with context.writing() as session:
            release(session, reservation)

    reservation = await run_in_threadpool(take_place)
    try:
        yield reservation
    except BaseException:
        await run_in_threadpool(give_back)
        raise


async def _receive(
    request: Request, context: AppContext, incoming: Pending, reservation: Reservation
) -> None:
    """Write the body as it comes, and keep its place while it does."""

    def keep_place() -> None:
        with context.writing() as session:
            renew(session, reservation)

    size, renewed_at = 0, time.monotonic()
    async for chunk in request.stream():
        size += len(chunk)
        if size > reservation.size:
            raise too_large(reservation.size)
        await run_in_threadpool(incoming.write, chunk)
        if time.monotonic() - renewed_at > RENEW_SECONDS:
            await run_in_threadpool(keep_place)
            renewed_at = time.monotonic()


def _keep(context: AppContext, caller: Caller, incoming: Pending, reservation: Reservation) -> UploadView:
    found = inspect_upload(incoming)
    with context.writing() as session:
        row = store_upload(session, context.settings, incoming, found, reservation)
        note(session, caller.actor, "upload.create", row.id, bytes=row.size, sha256=row.sha256)
        return UploadView.of(row)


@router.get("/uploads", summary="List uploads", responses=problems())
def list_uploads(caller: Reader, context: ContextDep) -> Uploads:
    """Your uploads, newest first."""
    with context.reading() as session:
        return Uploads(data=[UploadView.of(row) for row in uploads_of(session, caller.owner)])


@router.get("/uploads/{upload_id}", summary="One upload", responses=problems(404))
def get_upload(upload_id: UploadId, caller: Reader, context: ContextDep) -> UploadView:
    """What the file says of itself."""
    with context.reading() as session:
        return UploadView.of(upload_of(session, upload_id, caller.owner))


@router.delete(
    "/uploads/{upload_id}", status_code=204, summary="Delete an upload", responses=problems(404, 409)
)
def delete_upload(upload_id: UploadId, caller: Submitter, context: ContextDep) -> None:
    """Gone, with its file; not while a job that measures it is queued or running."""
    with context.writing() as session:
        key = forget_upload(session, upload_id, caller.owner)
        note(session, caller.actor, "upload.delete", upload_id)
    artifact_store(context.settings).delete(key)
