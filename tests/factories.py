"""What tests make: requests, specs, runtimes, jobs in the record and claims, each in one way."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from cartl_core.planning.resolve import resolve
from cartl_core.spec import JobRequest, JobSpec, ModelSpec, Runtime
from cartl_core.spec.architecture import Architecture
from cartl_core.spec.resources.dataset import (
    DatasetDefaults,
    DatasetReport,
    FoundDataset,
    Sizes,
    SkippedFile,
)
from cartl_core.spec.resources.teacher import BlockSize, FoundTeacher
from jobs import store
from jobs.database.engine import transaction
from jobs.store import Claim
from jobs.tables import Job

LEASE_SECONDS = 45.0
SMOKE: dict[str, Any] = {"dataset": "digits", "freeze_depth": 2, "preset": "smoke"}
"""The least that a job of the smallest preset asks for."""
HALF: dict[str, Any] = SMOKE | {"dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]}}
"""The same on half of the classes; the teacher gets the other half."""
SMALL: dict[str, Any] = HALF | {"model": "tiny", "exports": []}
"""The same with the smallest network and without exports: a job that is run within seconds."""


def make_request(base: dict[str, Any] = SMOKE, /, **changes: Any) -> JobRequest:
    """A request; ``changes`` replace whole fields of ``base``."""
    return JobRequest.model_validate(base | changes)


def make_spec(base: dict[str, Any] = SMOKE, /, **changes: Any) -> JobSpec:
    """A request, resolved."""
    return resolve(make_request(base, **changes))


def make_runtime(**changes: Any) -> Runtime:
    """The machine and the versions of a run that no machine has done."""
    made: dict[str, Any] = {
        "device": "cpu",
        "device_name": "test",
        "threads": 1,
        "precision": "fp32",
        "python": "3.11",
        "torch": "2",
        "torchvision": "0",
        "cartl": "0",
        "machine": "test",
    }
    return Runtime.model_validate(made | changes)


@cache
def _smoke() -> tuple[JobRequest, JobSpec]:
    return make_request(), make_spec()


def new_job(owner: str = "ann", *, request: JobRequest | None = None, **options: Any) -> dict[str, Any]:
    """The arguments with which the store writes a job: the smoke job, or ``request`` and its spec.

    ``options`` (``priority``, ``max_attempts``, ``estimate``, ``spec`` ...) replace or add to them.
    """
    asked, spec = _smoke() if request is None else (request, resolve(request))
    return {"request": asked, "spec": spec, "estimate": {}, "owner": owner} | options


def add_job(session: Session, owner: str = "ann", **options: Any) -> Job:
    """A queued job, in the caller's transaction; arguments as for ``new_job``."""
    return store.submit(session, **new_job(owner, **options))


def submit_job(factory: sessionmaker[Session], owner: str = "ann", **options: Any) -> str:
    """A queued job, committed; its id. Arguments as for ``new_job``."""
    with transaction(factory) as session:
        return add_job(session, owner, **options).id


def claim_if_any(
    factory: sessionmaker[Session], worker_id: str = "worker-1", lease_seconds: float = LEASE_SECONDS
) -> Claim | None:
    """The claim of the next job, committed; None where none is queued."""
    with transaction(factory) as session:
        return store.claim(session, worker_id=worker_id, lease_seconds=lease_seconds)


def claim_job(
    factory: sessionmaker[Session], worker_id: str = "worker-1", lease_seconds: float = LEASE_SECONDS
) -> Claim:
    """The claim of the next job, committed; there must be one."""
    claimed = claim_if_any(factory, worker_id, lease_seconds)
    assert claimed is not None
    return claimed


def found_dataset(**changes: Any) -> FoundDataset:
    """What a check finds in a small data set of two classes."""
    side = (40, 40)
    made: dict[str, Any] = {
        "fingerprint": "f" * 64,
        "channels": 3,
        "classes": ("cat", "dog"),
        "counts": {"train": (80, 80), "test": (20, 20)},
        "sizes": Sizes(min=side, median=side, max=side),
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.25, 0.25),
        "defaults": DatasetDefaults(
            image_size=32, train_eps=8 / 255, eval_eps=8 / 255, eval_step=2 / 255, augmentation="crop_flip"
        ),
        "report": DatasetReport(
            files=201, taken=200, skipped=(SkippedFile(path="a.txt", reason="no_image"),)
        ),
    }
    return FoundDataset.model_validate(made | changes, strict=False)


def found_teacher(**changes: Any) -> FoundTeacher:
    """What a check finds of a small teacher, without a verification."""
    model = ModelSpec(name="tiny", stem_stride=1, image_size=32, channels=3)
    made: dict[str, Any] = {
        "digest": "d" * 64,
        "layout": "ours",
        "architecture": Architecture(model=model, classes=10, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        "normalisation": "none",
        "blocks": (BlockSize(name="stem", parameters=10, macs=100),),
        "methods": ("vanilla",),
        "refused": {"cartl": "it has no batch norm"},
    }
    return FoundTeacher.model_validate(made | changes, strict=False)
