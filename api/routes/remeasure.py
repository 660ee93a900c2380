"""A student that exists, measured again with what is new."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from api.deps import AppContext, JobId, SubmitRequest, SubmitRequestDep
from api.http.body import parse
from api.http.problems import FieldError, Problem, invalid
from api.openapi import json_body, problems
from api.routes.jobs import CREATED, DryRunFlag, IdempotencyKey, dry_run_of, json_of, view_of
from api.schemas import JobView
from api.submission import Submission, prepare
from cartl_core.errors import SpecError
from cartl_core.planning.networks.remeasurement import Measured, new_attacks, request_again
from cartl_core.spec import digest
from cartl_core.spec.data_and_model import NewName, Tag
from cartl_core.spec.existing_network import EvaluateJobSpec, spec_of
from cartl_core.spec.job import Preset
from cartl_core.spec.request import PRIORITY, EvaluateOverrides, Priority
from jobs import store
from jobs.state import JobState
from jobs.store.measurements import other_specs, stored_report
from jobs.store.rights.audit import note

router = APIRouter(tags=["jobs"])


class Remeasurement(BaseModel):
    """What is new: attacks, an evaluation by name, diagnostics."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    evaluate: EvaluateOverrides = Field(  # type: ignore[valid-type]
        description="As of a job of kind `evaluate`. Left out: attacks and budgets of the job's preset, no "
        "diagnostic, and as many images as were measured before."
    )
    preset: Preset | None = None
    name: NewName | None = None
    tags: tuple[Tag, ...] = Field(default=(), max_length=32)
    priority: Priority = Field(default=0, description=PRIORITY)


BODIES: dict[str, dict[str, Any]] = {
    "stronger attacks": {"value": {"evaluate": {"preset": "ensemble"}}},
    "one attack": {
        "value": {"evaluate": {"attacks": [{"label": "square", "name": "square", "eps": 0.1, "steps": 5000}]}}
    },
}

_OF_ALL_ATTACKS = ("preset", "threat_models")
"""Parts of an evaluation that name or state all its attacks."""


@router.post(
    "/jobs/{job_id}/remeasure",
    status_code=201,
    summary="Measure a job's network again, with what is new",
    response_model=JobView,
    responses={**problems(400, 404, 409, 413, 415), **CREATED},
    openapi_extra=json_body((Remeasurement,), BODIES),
)
def remeasure_job(
    job_id: JobId,
    request: SubmitRequestDep,
    dry_run: DryRunFlag = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """A job of kind `evaluate` on the same images, without the attacks that were made on them already.

    Once it has succeeded, `GET /jobs/{job_id}/robustness` of either job has a row for each measurement.
    """
    context, (caller, body) = request.context, request.open()
    wanted = parse(Remeasurement, body)
    with context.reading() as session:
        job = store.find(session, job_id, caller.owner)
        if job.owner_id != caller.owner or job.state != JobState.SUCCEEDED:
            raise Problem("not-allowed", "Only a job of yours that has succeeded can be measured again.")
        before = spec_of(job.spec)
        stored = stored_report(session, job_id, caller.owner)
        earlier = [before, *(spec_of(one) for one in other_specs(session, stored))]
    body_digest = digest({"remeasure": job_id, **wanted.model_dump(mode="json", exclude_unset=True)})
    if idempotency_key is not None and not dry_run:
        replay = _made_before(context, caller.owner, idempotency_key, body_digest)
        if replay is not None:
            return replay
    submission = _submission(request, wanted, before, earlier, job_id, caller.owner)
    if dry_run:
        return json_of(dry_run_of(submission, context.settings))
    with context.writing() as session:
        context.quota.take(session, caller.owner)
        made, place = store.enqueue(
            session,
            request=submission.request,
            spec=submission.spec,
            estimate=submission.estimate,
            owner=caller.owner,
            priority=wanted.priority,
            max_attempts=context.settings.max_attempts,
        )
        note(session, caller.actor, "job.submit", made.id)
        if idempotency_key is not None:
            store.remember(
                session, owner=caller.owner, key=idempotency_key, body_digest=body_digest, job=made
            )
    view = JobView.whole(made, place, context.settings)
    return json_of(
        view, status=201, headers={"Location": view.links.self}, background=context.notify_workers(view.id)
    )


def _made_before(context: AppContext, owner: str, key: str, body_digest: str) -> Response | None:
    """The job that the key stands for; asked before what is new, since nothing is once that job has ended."""
    with context.writing() as session:
        made = store.replayed(session, owner=owner, key=key, body_digest=body_digest)
        if made is None:
            return None
        view = view_of(session, made, context.settings)
    return json_of(view, headers={"Location": view.links.self, "Idempotent-Replay": "true"})


def _submission(
    request: SubmitRequest,
    wanted: Remeasurement,
    before: Measured,
    earlier: list[Measured],
    job_id: str,
    owner: str,
) -> Submission:
    """The whole request, resolved, then once more with the new attacks alone."""
    written = wanted.model_dump(mode="json", exclude_unset=True)
    evaluate = written.pop("evaluate")
    value = request_again(before, job_id, evaluate, written)

    def prepared(asked: dict[str, Any]) -> Submission:
        context = request.context
        return prepare(
            asked,
            context.settings,
            lambda ref: request.find_network(ref, owner),
            request.lookup(owner),
            context.rates.measured(),
        )

    whole = prepared(value)
    assert isinstance(whole.spec, EvaluateJobSpec)
    try:
        left = new_attacks(whole.spec, earlier)
    except SpecError as error:
        raise invalid(
            (FieldError(field=error.field, message=error.message, allowed=error.allowed),)
        ) from error
    if left == whole.spec.evaluate.attacks:
        return whole
    attacks = [attack.model_dump(mode="json") for attack in left]
    # Threat models were checked against all attacks that were asked for; those that are left have their own.
    named = {name: part for name, part in value["evaluate"].items() if name not in _OF_ALL_ATTACKS}
    return prepared({**value, "evaluate": {**named, "attacks": attacks}})
