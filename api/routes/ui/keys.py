"""One's keys, to look at and to revoke, and what one may use."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.routes.quotas import Quota
from api.routes.ui.visit import VisitDep
from jobs.store.rights.keys import keys_of

router = APIRouter(include_in_schema=False)


@router.get("/ui/keys")
def show_keys(visit: VisitDep) -> Response:
    """Oldest first; an operator sees those of all owners, as in the API."""
    everybodys = visit.caller.is_operator
    with visit.reading() as session:
        keys = keys_of(session, None if everybodys else visit.caller.owner)
        quota = Quota.read(session, visit.caller.owner, visit.context.settings)
    return visit.page(
        "keys.html", title="Keys", here="/ui/keys", keys=keys, everybodys=everybodys, quota=quota
    )
