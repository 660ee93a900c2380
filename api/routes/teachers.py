"""Teachers: those that jobs have trained, and those that people bring. Announce, send, list, look, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from api.deps import AppContext, ContextDep, Reader, SubmitRequestDep, Submitter
from api.http.body import parse
from api.http.idempotency import announced_as, idempotency_key
from api.http.paging import Cursor, Item, Limit, check_limit, cut, read_place
from api.http.problems import Problem
from api.openapi import json_body, problems
from api.receiving import CONTENT, SENT, Ref, announced, check_size, create, delete, receive
from api.resource_views import TeacherView, fractions
from api.schemas import Page
from cartl_core.errors import SpecError
from cartl_core.spec.resources.teacher import NewTeacher
from jobs.errors import ResourceNotFound
from jobs.store.resources.kinds import TEACHER, find_resource
from jobs.store.resources.lists import page_of, trained_teacher, trained_teachers
from jobs.store.resources.record import verified_on

router = APIRouter(tags=["teachers"])

IdempotencyKey = Annotated[str | None, idempotency_key("teacher")]
Shared = Annotated[bool, Query(description="Those that others share with you, instead of yours.")]

EXAMPLES: dict[str, dict[str, Any]] = {
    "a file that says nothing of itself": {
        "value": {
            "name": "wrn-28-10-linf",
            "size": 145983488,
            "normalisation": "none",
            "trained_at": {"norm": "linf", "eps": 0.03137254901960784},
            "published": {"clean": 0.8896},
            "verify": {"dataset": "cifar10", "images": 1000},
            "licence": "MIT",
        }
    },
    "a layout by its name": {
        "value": {
            "name": "resnet50-l2",
            "size": 102530333,
            "layout": "torchvision_resnet",
            "normalisation": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        }
    },
}


@router.post(
    "/teachers",
    status_code=201,
    summary="Announce a teacher",
    response_model=TeacherView,
    responses={**problems(400, 409, 413, 415), **announced_as("teacher")},
    openapi_extra=json_body((NewTeacher,), EXAMPLES),
)
def create_teacher(request: SubmitRequestDep, idempotency_key: IdempotencyKey = None) -> Response:
    """A place for `size` bytes is reserved until `expires_at`; send them to `/teachers/{id}/content`.

    The content is a safetensors file. `normalisation` is asked for where the file does not tell it, never
    guessed. With `verify` its accuracies are measured on a data set, else it stays `unverified`. Posting the
    same while the bytes are awaited gives the same teacher.
    """
    context, (caller, body) = request.context, request.open()
    new = parse(NewTeacher, body)
    check_size(new.size, context.settings.max_teacher_bytes)
    _check_verify(context, caller.owner, new)
    row, is_new = create(context, TEACHER, caller, new, idempotency_key)
    return announced(TEACHER, TeacherView.of(row), row.id, is_new)


def _check_verify(context: AppContext, owner: str, new: NewTeacher) -> None:
    """See that there is a data set to measure it on, where one is named.

    Raises:
        SpecError: there is none.
        DatasetNotReady: it cannot be used.
    """
    if new.verify is None:
        if new.published is not None:
            raise SpecError(
                "verify",
                "figures that were published are compared with measured ones",
                allowed="given with `published`",
            )
        return
    try:
        with context.reading() as session:
            verified_on(session, owner, new.verify.dataset)
    except ResourceNotFound as error:
        raise SpecError("verify.dataset", str(error), allowed="a name or an id of GET /datasets") from error


@router.put(
    "/teachers/{id}/content",
    status_code=202,
    summary="Send the file of a teacher",
    response_model=TeacherView,
    responses=SENT,
    openapi_extra=CONTENT,
)
async def put_teacher_content(request: Request, ref: Ref) -> Response:
    """All bytes, `size` of them, in one request at a time. What broke off is dropped: send it all again.

    Then a task of a worker takes it in: `checking`, and soon `verified`, `unverified` or `rejected`.
    """
    return await receive(request, TEACHER, ref, TeacherView.of)


@router.get("/teachers", summary="Teachers", responses=problems())
def list_teachers(
    caller: Reader, context: ContextDep, shared: Shared = False, cursor: Cursor = None, limit: Limit = 100
) -> Page[TeacherView]:
    """Robust networks that your jobs have trained or train, and those that you brought, newest first."""
    check_limit(limit, context.settings)
    place = read_place(cursor)
    with context.reading() as session:
        rows = page_of(session, TEACHER, caller.owner, shared=shared, after=place, limit=limit + 1)
        done = fractions(session, rows)
        stages = [] if shared else trained_teachers(session, caller.owner, after=place, limit=limit + 1)
    items = [Item(row.created_at, row.id, TeacherView.of(row, done.get(row.id, 0.0))) for row in rows]
    items += [Item(stage.created_at, stage.digest, TeacherView.of_stage(stage)) for stage in stages]
    return cut(sorted(items, key=lambda item: (item.created_at, item.id), reverse=True), limit)


@router.get("/teachers/{id}", summary="One teacher", responses=problems(404))
def get_teacher(ref: Ref, caller: Reader, context: ContextDep) -> TeacherView:
    """Where it is, what it is, and what was measured of it. Yours, or shared with you."""
    with context.reading() as session:
        return view_of(session, caller.owner, ref)


def view_of(session: Session, owner: str, ref: str) -> TeacherView:
    """A teacher that the owner may see, trained or brought; raises ``ResourceNotFound``."""
    trained = trained_teacher(session, owner, ref)
    if trained is not None:
        return TeacherView.of_stage(trained)
    row = find_resource(session, TEACHER, owner, ref, shared=True)
    return TeacherView.of(row, fractions(session, [row]).get(row.id, 0.0))


@router.delete("/teachers/{id}", status_code=204, summary="Delete a teacher", responses=problems(404, 409))
def delete_teacher(ref: Ref, caller: Submitter, context: ContextDep) -> None:
    """Gone, with its bytes; not while a job that names it has not ended, nor one that a job has trained."""
    with context.reading() as session:
        if trained_teacher(session, caller.owner, ref) is not None:
            raise Problem(
                "wrong-state", "A job has trained this teacher: it goes when no job has used it for long."
            )
    delete(context, TEACHER, caller, ref)
