"""Data sets: the catalog's, and those that people bring. Announce, send, list, look, delete."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.auth import Caller
from api.deps import ContextDep, Reader, SubmitRequestDep, Submitter
from api.http.body import parse
from api.http.files import send_file
from api.http.idempotency import announced_as, idempotency_key
from api.http.paging import Cursor, Item, Limit, check_limit, cut, read_place
from api.http.problems import Problem
from api.openapi import json_body, problems
from api.receiving import CONTENT, SENT, Ref, announced, check_size, create, delete, receive
from api.resource_views import CatalogDatasetView, DatasetView, fractions
from api.schemas import Page
from cartl_core.errors import SpecError
from cartl_core.spec.datasets import DATASETS
from cartl_core.spec.resources.dataset import NewDataset
from cartl_core.spec.resources.samples import SAMPLES
from jobs.files.brought import sheet_of_samples
from jobs.files.root_folders import allowed_root, stamp_of
from jobs.settings import Settings
from jobs.store.resources.kinds import DATASET, find_resource
from jobs.store.resources.lists import Place, page_of
from jobs.store.resources.receiving import Folder

router = APIRouter(tags=["data sets"])

AnyDataset = CatalogDatasetView | DatasetView
IdempotencyKey = Annotated[str | None, idempotency_key("data set")]
Shared = Annotated[bool, Query(description="Those that others share with you, instead of yours.")]
PNG = "image/png"
FIRST = datetime.max.replace(tzinfo=UTC)
"""When the catalog's were made, for the order of the list: before all others, in the catalog's order."""

EXAMPLES: dict[str, dict[str, Any]] = {
    "an archive of class folders": {
        "value": {"name": "flowers", "size": 73400320, "test_fraction": 0.2, "licence": "CC-BY-4.0"}
    },
    "a folder of the server": {
        "summary": "For operators, below a folder of CARTL_DATA_ROOTS",
        "value": {"name": "scans", "root": "/srv/images/scans"},
    },
}


@router.post(
    "/datasets",
    status_code=201,
    summary="Announce a data set",
    response_model=DatasetView,
    responses={**problems(400, 409, 413, 415), **announced_as("data set")},
    openapi_extra=json_body((NewDataset,), EXAMPLES),
)
def create_dataset(request: SubmitRequestDep, idempotency_key: IdempotencyKey = None) -> Response:
    """A place for `size` bytes is reserved until `expires_at`; send them to `/datasets/{id}/content`.

    The content is an archive (.zip or .tar) of a folder for each class, or an .npz of `images` and `labels`.
    With `root` a folder of the server is registered where it lies and looked at at once; that needs an
    operator's key, or a service without keys. Posting the same while the bytes are awaited gives the
    same data set.
    """
    context, (caller, body) = request.context, request.open()
    new = parse(NewDataset, body)
    folder = _folder(new, caller, context.settings)
    row, is_new = create(context, DATASET, caller, new, idempotency_key, folder)
    return announced(DATASET, DatasetView.of(row), row.id, is_new)


def _folder(new: NewDataset, caller: Caller, settings: Settings) -> Folder | None:
    """The folder of the server that was named; None where bytes are to come.

    Raises:
        Problem: only operators may name folders (403), or the content is too large (413).
        SpecError: neither or both of folder and size, or a folder that may not be named.
    """
    if new.root is None:
        if new.size is None:
            raise SpecError("size", "it is missing", allowed="the bytes of the content; or `root`")
        check_size(new.size, settings.max_dataset_bytes)
        return None
    caller.demand("operator")
    if new.size is not None:
        raise SpecError("size", "a folder of the server is not sent", allowed="left out, with `root`")
    path = allowed_root(settings, new.root)
    return Folder(str(path), stamp_of(path, settings.max_dataset_entries))


@router.put(
    "/datasets/{id}/content",
    status_code=202,
    summary="Send the content of a data set",
    response_model=DatasetView,
    responses=SENT,
    openapi_extra=CONTENT,
)
async def put_dataset_content(request: Request, ref: Ref) -> Response:
    """All bytes, `size` of them, in one request at a time. What broke off is dropped: send it all again.

    Then a task of a worker looks at every file: `checking`, and soon `ready` or `rejected`.
    """
    return await receive(request, DATASET, ref, DatasetView.of)


@router.get("/datasets", summary="Data sets", responses=problems())
def list_datasets(
    caller: Reader, context: ContextDep, shared: Shared = False, cursor: Cursor = None, limit: Limit = 50
) -> Page[AnyDataset]:
    """Names for `dataset` and `source`: the catalog's, then yours, newest first, a page at a time."""
    check_limit(limit, context.settings)
    place = read_place(cursor)
    in_catalog = place is None or place[0] == FIRST
    items = _of_catalog(place) if in_catalog and not shared else []
    after = None if in_catalog else place
    with context.reading() as session:
        rows = page_of(session, DATASET, caller.owner, shared=shared, after=after, limit=limit + 1)
        done = fractions(session, rows)
    items += [Item(row.created_at, row.id, DatasetView.of(row, done.get(row.id, 0.0))) for row in rows]
    return cut(items, limit)


def _of_catalog(place: Place | None) -> list[Item[AnyDataset]]:
    """The catalog's data sets after the one at ``place``."""
    names = list(DATASETS)
    start = names.index(place[1]) + 1 if place is not None and place[1] in names else 0
    return [Item(FIRST, name, CatalogDatasetView.of_facts(DATASETS[name])) for name in names[start:]]


@router.get("/datasets/{id}", summary="One data set", responses=problems(404))
def get_dataset(ref: Ref, caller: Reader, context: ContextDep) -> AnyDataset:
    """Where it is, and what was found in it. Of the catalog, yours, or shared with you."""
    if ref in DATASETS:
        return CatalogDatasetView.of_facts(DATASETS[ref])
    with context.reading() as session:
        row = find_resource(session, DATASET, caller.owner, ref, shared=True)
        return DatasetView.of(row, fractions(session, [row]).get(row.id, 0.0))


@router.get(
    "/datasets/{id}/samples",
    summary="Some images of each class",
    response_class=Response,
    responses={
        **problems(404, 416),
        200: {"description": "A PNG with a row of small images for each class", "content": {PNG: {}}},
        206: {"description": "The bytes asked for with Range", "content": {PNG: {}}},
        304: {"description": "Not changed since the ETag in If-None-Match"},
    },
)
def get_samples(ref: Ref, caller: Reader, context: ContextDep, request: Request) -> Response:
    """Eight training images of each class, of the first hundred classes, 64 pixels each.

    The check of a data set makes it; those of the catalog, and those checked before, have none (404).
    """
    if ref in DATASETS:
        raise Problem("not-found", "Data sets of the catalog have no samples.")
    with context.reading() as session:
        row = find_resource(session, DATASET, caller.owner, ref, shared=True)
    sheet = sheet_of_samples(context.settings, row.id)
    if sheet is None:
        raise Problem("not-found", "This data set has no samples yet, or was checked before they were made.")
    etag = hashlib.sha256(f"{row.id} {row.sha256} {sheet.stamp()}".encode()).hexdigest()
    return send_file(request, sheet, name=SAMPLES, media_type=PNG, etag=etag)


@router.delete("/datasets/{id}", status_code=204, summary="Delete a data set", responses=problems(404, 409))
def delete_dataset(ref: Ref, caller: Submitter, context: ContextDep) -> None:
    """Gone, with its bytes; not while a job that names it has not ended. A folder of the server stays."""
    delete(context, DATASET, caller, ref)
