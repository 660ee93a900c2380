"""Showing one's job, data set or teacher to another owner, who may then look at it and change nothing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api.deps import ContextDep, JobId, Reader, Submitter
from api.http.patterns import OWNER
from api.openapi import problems
from api.receiving import Ref
from api.schemas import View
from jobs import store
from jobs.store.resources.kinds import DATASET, TEACHER
from jobs.store.rights.audit import note
from jobs.store.rights.sharing import readers_of_resource, share_resource, unshare_resource

router = APIRouter(tags=["sharing"])

Other = Annotated[
    str,
    Path(
        max_length=64,
        pattern=OWNER,
        description="The owner of the other's keys; whether there is one is not told.",
        examples=["ada"],
    ),
]


class Shares(View):
    """Whom a job, a data set or a teacher is shared with."""

    data: list[str]


@router.get("/jobs/{job_id}/shares", summary="Whom a job is shared with", responses=problems(404))
def list_shares(job_id: JobId, caller: Reader, context: ContextDep) -> Shares:
    """Only the job's owner may ask."""
    with context.reading() as session:
        return Shares(data=list(store.readers(session, job_id, caller.owner)))


@router.put("/jobs/{job_id}/shares/{owner}", status_code=204, summary="Share a job", responses=problems(404))
def put_share(job_id: JobId, owner: Other, caller: Submitter, context: ContextDep) -> None:
    """The other sees the job, its report, files, events and log; only you cancel, retry and share it."""
    with context.writing() as session:
        store.share(session, job_id, caller.owner, reader=owner)
        note(session, caller.actor, "job.share", job_id, reader=owner)


@router.delete(
    "/jobs/{job_id}/shares/{owner}", status_code=204, summary="Share a job no more", responses=problems(404)
)
def delete_share(job_id: JobId, owner: Other, caller: Submitter, context: ContextDep) -> None:
    """From now on the other finds no such job. Asking twice does no harm."""
    with context.writing() as session:
        store.unshare(session, job_id, caller.owner, reader=owner)
        note(session, caller.actor, "job.unshare", job_id, reader=owner)


@router.get("/datasets/{id}/shares", summary="Whom a data set is shared with", responses=problems(404))
def list_dataset_shares(ref: Ref, caller: Reader, context: ContextDep) -> Shares:
    """Only its owner may ask."""
    with context.reading() as session:
        return Shares(data=list(readers_of_resource(session, DATASET, ref, caller.owner)))


@router.put(
    "/datasets/{id}/shares/{owner}", status_code=204, summary="Share a data set", responses=problems(404)
)
def put_dataset_share(ref: Ref, owner: Other, caller: Submitter, context: ContextDep) -> None:
    """The other sees it and may name it in jobs, by its id; only you delete and share it."""
    with context.writing() as session:
        shared = share_resource(session, DATASET, ref, caller.owner, reader=owner)
        note(session, caller.actor, "dataset.share", shared, reader=owner)


@router.delete(
    "/datasets/{id}/shares/{owner}",
    status_code=204,
    summary="Share a data set no more",
    responses=problems(404),
)
def delete_dataset_share(ref: Ref, owner: Other, caller: Submitter, context: ContextDep) -> None:
    """From now on the other finds no such data set. Jobs that were posted go on."""
    with context.writing() as session:
        shared = unshare_resource(session, DATASET, ref, caller.owner, reader=owner)
        note(session, caller.actor, "dataset.unshare", shared, reader=owner)


@router.get("/teachers/{id}/shares", summary="Whom a teacher is shared with", responses=problems(404))
def list_teacher_shares(ref: Ref, caller: Reader, context: ContextDep) -> Shares:
    """Only its owner may ask."""
    with context.reading() as session:
        return Shares(data=list(readers_of_resource(session, TEACHER, ref, caller.owner)))


@router.put(
    "/teachers/{id}/shares/{owner}", status_code=204, summary="Share a teacher", responses=problems(404)
)
def put_teacher_share(ref: Ref, owner: Other, caller: Submitter, context: ContextDep) -> None:
    """The other sees it and may name it in jobs, by its id; only you delete and share it."""
    with context.writing() as session:
        shared = share_resource(session, TEACHER, ref, caller.owner, reader=owner)
        note(session, caller.actor, "teacher.share", shared, reader=owner)


@router.delete(
    "/teachers/{id}/shares/{owner}",
    status_code=204,
    summary="Share a teacher no more",
    responses=problems(404),
)
def delete_teacher_share(ref: Ref, owner: Other, caller: Submitter, context: ContextDep) -> None:
    """From now on the other finds no such teacher. Jobs that were posted go on."""
    with context.writing() as session:
        shared = unshare_resource(session, TEACHER, ref, caller.owner, reader=owner)
        note(session, caller.actor, "teacher.unshare", shared, reader=owner)
