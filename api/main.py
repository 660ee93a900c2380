"""The application: ``create_app(settings)``, and ``app``, made from the environment on first use.

Importing this module reads no environment, opens no file and imports no torch.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import OperationalError
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from api import openapi
from api.auth import check_binding
from api.deps import NOTIFY_BURST, NOTIFY_PER_SECOND, AppContext
from api.feed import Feed
from api.http import error_handlers
from api.http.addresses import is_loopback
from api.http.computed_once import ComputedOnce
from api.http.middleware import AddressLimit, HeadAsGet, KnownVersion
from api.http.pages_for_browsers import PagesForBrowsers
from api.http.problems import Problem
from api.http.quota import QueueQuota
from api.http.rate_limit import Bucket, RateLimit
from api.known_rates import KnownRates
from api.readiness import READINESS_SECONDS, readiness
from api.rights.key_uses import KeyUses
from api.rights.refusals import Refusals
from api.routes import (
    audit,
    catalog,
    datasets,
    health,
    job_changes,
    jobs,
    keys,
    observe,
    operator,
    pages,
    quotas,
    remeasure,
    results,
    shares,
    sweeps,
    teachers,
    uploads,
    webhooks,
    workers,
)
from api.routes.ui import PARTS as UI_PARTS
from api.routes.ui.refusals import respond_for_people
from cartl_core.spec.resources.dataset import NewDataset
from cartl_core.spec.resources.teacher import NewTeacher
from jobs import errors
from jobs.database.engine import VersionGuard, make_engine, reading, session_factory
from jobs.files.private import keep_private
from jobs.files.store_probe import StoreProbe
from jobs.networks import parse_networks
from jobs.queue import make_celery
from jobs.settings import Settings

log = logging.getLogger("cartl.api")

KIND_OF_ERROR: dict[type[Exception], str] = {
    errors.JobNotFound: "not-found",
    errors.ArtifactNotFound: "not-found",
    errors.ArtifactNameRefused: "not-found",
    errors.ArtifactDamaged: "damaged",
    errors.NotAllowed: "wrong-state",
    errors.JobNotEnded: "wrong-state",
    errors.JobEnded: "wrong-state",
    errors.JobInUse: "in-use",
    errors.TooManyJobs: "too-many-jobs",
    errors.QuotaExceeded: "quota-exceeded",
    errors.TooManyShares: "invalid",
    errors.KeyNotFound: "not-found",
    errors.SweepNotFound: "not-found",
    errors.UploadNotFound: "not-found",
    errors.UploadInUse: "wrong-state",
    errors.TooManyUploads: "too-many-uploads",
    errors.WebhookNotFound: "not-found",
    errors.TooManyWebhooks: "too-many-webhooks",
    errors.NoSpace: "no-space",
    errors.StorageFull: "storage-full",
    errors.ResourceNotFound: "not-found",
    errors.NameTaken: "name-taken",
    errors.NotReceiving: "wrong-state",
    errors.ResourceInUse: "in-use",
    errors.DatasetNotReady: "dataset-not-ready",
    errors.TeacherNotReady: "teacher-not-ready",
    errors.IdempotencyConflict: "idempotency-mismatch",
    errors.IdempotencyInFlight: "in-flight",
    errors.DatabaseMismatch: "not-ready",
}

DESCRIPTION = """\
Post a target data set and a freeze depth. The service trains (or reuses) a robust teacher, transfers it
without losing its robustness, attacks the result, and answers with a robustness report.

Send `Authorization: Bearer KEY`; while no key exists the service answers to its own machine only. Every error
is `application/problem+json`. Times are UTC; radii are in pixel units on [0, 1]; accuracies are fractions.
"""
TAGS = [
    {"name": "jobs", "description": "Submit, list, cancel, retry, put first, delete."},
    {"name": "sweeps", "description": "Settings compared with each other: many jobs, one table."},
    {"name": "sharing", "description": "Who else may look."},
    {"name": "results", "description": "The robustness report and the files."},
    {"name": "watching a job", "description": "Events, metrics, log."},
    {"name": "data sets", "description": "The catalog's, and your own images."},
    {"name": "teachers", "description": "Robust networks that jobs have trained, and your own."},
    {"name": "uploads", "description": "Networks to measure."},
    {"name": "catalog", "description": "What may be asked for."},
    {"name": "keys", "description": "Who may ask: your own keys, and for an operator all."},
    {"name": "operator", "description": "To run the service: jobs of all owners, and the audit log."},
    {"name": "quotas", "description": "What an owner may use, and uses."},
    {"name": "webhooks", "description": "Whom the service calls when something happens to your jobs."},
    {"name": "health", "description": "For probes and Prometheus; workers and their devices."},
]


def create_app(settings: Settings) -> FastAPI:
    """The application for a deployment. Its database must have been migrated."""
    app = FastAPI(
        title="CARTL",
        version=version("cartl"),
        summary="Robust transfer learning as a service",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        generate_unique_id_function=lambda route: route.name,
        openapi_url=None,  # `pages` has it
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(settings),
    )
    for part in (
        jobs,
        job_changes,
        remeasure,
        sweeps,
        shares,
        results,
        observe,
        uploads,
        datasets,
        teachers,
        catalog,
        keys,
        audit,
        operator,
        quotas,
        webhooks,
        workers,
        health,
        pages,
    ):
        app.include_router(part.router)
    for page in UI_PARTS:
        app.include_router(page)
    app.state.documents = {}
    error_handlers.install(app, KIND_OF_ERROR, _respond)
    bodies = (
        keys.KeyRequest,
        quotas.QuotaRequest,
        webhooks.WebhookRequest,
        job_changes.JobChange,
        remeasure.Remeasurement,
        NewDataset,
        NewTeacher,
    )
    openapi.install(app, *bodies)
    # The last one comes first.
    app.add_middleware(HeadAsGet, routes=app)
    app.add_middleware(PagesForBrowsers)
    app.add_middleware(AddressLimit, most=settings.max_connections_per_address)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=_networks(settings))
    app.add_middleware(KnownVersion)
    return app


def _respond(request: Request, problem: Problem) -> Response:
    """Tell a problem; a refusal for lack of a right is written down before."""
    request.app.state.context.refusals.record_request(request, problem)
    return respond_for_people(request, problem)


def _networks(settings: Settings) -> list[str]:
    return [str(network) for network in parse_networks(settings.trusted_proxies)]


def _lifespan(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Open what a running application holds, and close it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = make_engine(settings)
        sessions = session_factory(engine)
        celery = make_celery(settings)
        store_probe = StoreProbe(settings)
        app.state.context = AppContext(
            settings=settings,
            engine=engine,
            sessions=sessions,
            feed=Feed(sessions, require_key=settings.require_key),
            celery=celery,
            notify_bucket=Bucket(rate=NOTIFY_PER_SECOND, burst=NOTIFY_BURST),
            quota=QueueQuota(settings.owner_limits),
            readiness=ComputedOnce(
                lambda: readiness(engine, celery, settings, store_probe), READINESS_SECONDS
            ),
            version_guard=VersionGuard(),
            rates=KnownRates(sessions),
            key_uses=KeyUses(sessions),
            refusals=Refusals(sessions),
            rate_limit=RateLimit(rate=settings.requests_per_minute / 60, burst=settings.requests_per_minute),
        )
        await run_in_threadpool(refuse_an_open_network, settings)
        yield
        await app.state.context.feed.close()
        app.state.context.key_uses.close()
        engine.dispose()

    return lifespan


def refuse_an_open_network(settings: Settings) -> None:
    """Stop before serving the network without a key.

    A database that is away cannot be asked; then no request is served before it answers.

    Raises:
        PublicWithoutKeys: bound to more than this machine, and there is no key.
    """
    if is_loopback(settings.host):
        return
    engine = make_engine(settings)
    try:
        with reading(session_factory(engine)) as session:
            check_binding(settings.host, session)
    except OperationalError as error:
        log.warning("the database does not answer yet: %s", type(error.orig).__name__)
    finally:
        engine.dispose()


def __getattr__(name: str) -> FastAPI:
    """``app`` for ``uvicorn --no-proxy-headers api.main:app``: made on first use, not on import.

    Served so, it lacks the limits and deadlines of ``python -m api``.
    """
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    settings = Settings.from_env()
    keep_private(settings)
    app = create_app(settings)
    globals()["app"] = app
    return app
