"""What announcing, sending and deleting have in common for data sets and teachers."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from sqlalchemy.orm import Session

from api.auth import Caller
from api.deps import EXAMPLE_ID, AppContext, app_context, authenticate
from api.http.body import declared_size, too_large
from api.http.problems import FieldError, Problem, invalid
from api.openapi import Responses, problems
from api.schemas import View
from cartl_core.spec import digest
from cartl_core.spec.resources.dataset import NewDataset
from cartl_core.spec.resources.teacher import NewTeacher
from cartl_core.storage.store import Pending
from jobs.errors import NoSpace
from jobs.files.space import is_disk_full
from jobs.files.stores import artifact_store
from jobs.store.resources.kinds import RESOURCE_REF, R, ResourceKind
from jobs.store.resources.lists import forget
from jobs.store.resources.receiving import (
    RENEW_SECONDS,
    Folder,
    Sending,
    announce,
    begin,
    break_off,
    finish,
    keep,
)
from jobs.store.rights.audit import note
from jobs.store.submit import keep_key, kept_key

BINARY = "application/octet-stream"
CONTENT = {
    "requestBody": {
        "required": True,
        "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }
}
SENT: Responses = {
    **problems(404, 409, 413, 415),
    202: {"description": "All bytes are here; a task looks at them"},
}


async def get_ref(
    ref: Annotated[str, Path(alias="id", description="Its id, or its name.", examples=[EXAMPLE_ID])],
) -> str:
    """An id or a name; what cannot be one is not asked of the database."""
    if not RESOURCE_REF.fullmatch(ref):
        raise Problem("not-found", "There is no such data set or teacher.")
    return ref


Ref = Annotated[str, Depends(get_ref)]


def create(
    context: AppContext,
    kind: ResourceKind[R],
    caller: Caller,
    new: NewDataset | NewTeacher,
    key: str | None,
    folder: Folder | None = None,
) -> tuple[R, bool]:
    """The row of what was announced, and whether this request has made it."""
    asked = hashlib.sha256(f"{kind.path}\n{digest(new)}".encode()).hexdigest()
    owner = caller.owner
    with context.writing() as session:
        made = None if key is None else _made_before(session, kind, owner, key, asked)
        if made is not None:
            return made, False
        row, is_new = announce(session, context.settings, kind, owner, new, folder)
        if is_new:
            note(session, caller.actor, f"{kind.audited}.create", row.id, bytes=row.size)
        if key is not None:
            keep_key(session, owner=owner, key=key, body_digest=asked, resource_id=row.id)
        return row, is_new


def _made_before(session: Session, kind: ResourceKind[R], owner: str, key: str, asked: str) -> R | None:
    """What the key stands for; one that was deleted is made anew."""
    kept = kept_key(session, owner=owner, key=key, body_digest=asked)
    if kept is None:
        return None
    row = session.get(kind.table, kept.resource_id)
    if row is None:
        session.delete(kept)
        session.flush()
    return row


def announced(kind: ResourceKind[Any], view: View, resource_id: str, is_new: bool) -> Response:
    """201 with what was made, 200 with what was made before."""
    headers = {"Location": f"/{kind.path}/{resource_id}"}
    if not is_new:
        headers["Idempotent-Replay"] = "true"
    return Response(view.model_dump_json(), 201 if is_new else 200, headers, media_type="application/json")


def check_size(size: int, allowed: int) -> None:
    """Refuse what is too large before it is sent.

    Raises:
        Problem: 413, with what is allowed.
    """
    if size > allowed:
        fault = FieldError(field="size", message="the content is too large", allowed=f"at most {allowed}")
        raise Problem("body-too-large", f"The content may have at most {allowed} bytes.", errors=(fault,))


async def receive(request: Request, kind: ResourceKind[R], ref: str, view: Callable[[R], View]) -> Response:
    """Answer a PUT of the content: it is written to the store as it comes, then checked by a task."""
    context = app_context(request)
    caller = (await run_in_threadpool(authenticate, request, context)).demand("submitter")
    check_binary(request)
    sending = await run_in_threadpool(_begin, request, context, kind, caller.owner, ref)
    try:
        async with contextmanager_in_threadpool(artifact_store(context.settings).pending()) as pending:
            await _write(request, context, sending, pending)
            row = await run_in_threadpool(_complete, context, caller, sending, pending)
    except BaseException as error:
        await run_in_threadpool(_break_off, context, sending)
        if is_disk_full(error):
            raise NoSpace("The disk was full before the last byte was here; send it again later.") from error
        raise
    return Response(view(row).model_dump_json(), 202, media_type="application/json")


def _begin(request: Request, context: AppContext, kind: ResourceKind[R], owner: str, ref: str) -> Sending[R]:
    """Be the one who sends, if as much is to come as was announced."""
    with context.writing() as session:
        sending = begin(session, context.settings, kind, owner, ref)
        declared = declared_size(request)
        if declared > sending.size:
            raise too_large(sending.size)
        if declared != sending.size:
            raise _other_size(declared, sending.size)
    return sending


async def _write(request: Request, context: AppContext, sending: Sending[R], pending: Pending) -> None:
    """Write the body as it comes, and keep its place while it does."""

    def keep_place() -> None:
        with context.writing() as session:
            keep(session, context.settings, sending)

    renewed_at = time.monotonic()
    async for chunk in request.stream():
        if pending.size + len(chunk) > sending.size:
            raise too_large(sending.size)
        await run_in_threadpool(pending.write, chunk)
        if time.monotonic() - renewed_at > RENEW_SECONDS:
            await run_in_threadpool(keep_place)
            renewed_at = time.monotonic()
    if pending.size != sending.size:
        raise _other_size(pending.size, sending.size)


def _complete(context: AppContext, caller: Caller, sending: Sending[R], pending: Pending) -> R:
    sha256 = pending.finish().sha256
    with context.writing() as session:
        row = finish(session, sending, sha256)
        note(session, caller.actor, f"{sending.kind.audited}.content", row.id, sha256=sha256)
        pending.publish(
            sending.key
        )  # under the guard of the row: a sender that was too slow publishes nothing
    return row


def _break_off(context: AppContext, sending: Sending[R]) -> None:
    with context.writing() as session:
        break_off(session, sending)


def _other_size(found: int, announced_size: int) -> Problem:
    return invalid(
        (
            FieldError(
                field="Content-Length",
                message=f"{found or 'no'} bytes are sent",
                allowed=f"{announced_size}, as announced",
            ),
        )
    )


def delete(context: AppContext, kind: ResourceKind[Any], caller: Caller, ref: str) -> None:
    """Delete the row; the bytes go once that is committed."""
    with context.writing() as session:
        tree = forget(session, kind, caller.owner, ref)
        note(session, caller.actor, f"{kind.audited}.delete", tree.rpartition("/")[2])
    artifact_store(context.settings).delete(tree)


def check_binary(request: Request) -> None:
    """Refuse what is not bytes as they are.

    Raises:
        Problem: 415.
    """
    kind = request.headers.get("content-type", BINARY).partition(";")[0].strip().lower()
    if kind != BINARY or request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(
            "wrong-content-type",
            f"The file itself is expected, as {BINARY} and not compressed.",
            headers={"Accept-Post": BINARY},
        )
