"""Data sets and teachers: what there is, what was found in it, and how more are added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Response

from api.receiving import Ref
from api.resource_views import CatalogDatasetView, DatasetView, TeacherView, fractions
from api.routes.teachers import view_of as teacher_view
from api.routes.ui.visit import VisitDep
from cartl_core.catalog.layouts import LAYOUTS
from cartl_core.spec.datasets import DATASETS
from cartl_core.spec.resources.samples import SAMPLE_PIXELS, SAMPLES_A_CLASS, rows_of_samples
from jobs.files.brought import sheet_of_samples
from jobs.store.resources.kinds import DATASET, TEACHER, find_resource
from jobs.store.resources.lists import page_of, trained_teachers

router = APIRouter(include_in_schema=False)

SHOWN = 200
TEACHER_SETTINGS = """{
  "normalisation": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
  "trained_at": {"norm": "linf", "eps": 0.0157}
}"""


@dataclass(frozen=True)
class Sheet:
    """A picture with a row of samples for each of the first classes; lengths in pixels."""

    url: str
    rows: int
    row_height: int
    width: int
    height: int


@router.get("/ui/datasets")
def list_datasets(visit: VisitDep) -> Response:
    """Those that people brought, then the catalog's."""
    with visit.reading() as session:
        own = page_of(session, DATASET, visit.caller.owner, shared=False, after=None, limit=SHOWN)
        shared = page_of(session, DATASET, visit.caller.owner, shared=True, after=None, limit=SHOWN)
        views = [DatasetView.of(row) for row in (*own, *shared)]
    catalog = [CatalogDatasetView.of_facts(facts) for facts in DATASETS.values()]
    return visit.page(
        "datasets.html",
        title="Data sets",
        here="/ui/datasets",
        datasets=views,
        catalog=catalog,
        live=visit.live,
    )


@router.get("/ui/datasets/{id}")
def show_dataset(ref: Ref, visit: VisitDep) -> Response:
    """What was found while every file was looked at."""
    view: DatasetView
    mine = samples = False
    if ref in DATASETS:
        view = CatalogDatasetView.of_facts(DATASETS[ref])
    else:
        with visit.reading() as session:
            row = find_resource(session, DATASET, visit.caller.owner, ref, shared=True)
            view = DatasetView.of(row, fractions(session, [row]).get(row.id, 0.0))
            mine = row.owner_id == visit.caller.owner
        samples = sheet_of_samples(visit.context.settings, row.id) is not None
    return visit.page(
        "dataset.html",
        title=view.name,
        here="/ui/datasets",
        one=view,
        classes=_classes(view),
        mine=mine,
        sheet=_sheet(view) if samples else None,
        live=visit.live,
    )


def _sheet(view: DatasetView) -> Sheet:
    rows = rows_of_samples(len(view.classes or ()))
    width = SAMPLES_A_CLASS * SAMPLE_PIXELS
    return Sheet(f"/datasets/{view.id}/samples", rows, SAMPLE_PIXELS, width, rows * SAMPLE_PIXELS)


def _classes(view: DatasetView) -> list[dict[str, Any]]:
    """Each class with its images by split."""
    counts = view.counts or {}
    return [
        {"name": name, **{split: numbers[place] for split, numbers in counts.items()}}
        for place, name in enumerate(view.classes or ())
    ]


@router.get("/ui/teachers")
def list_teachers(visit: VisitDep) -> Response:
    """Those that people brought, then those that jobs have trained."""
    with visit.reading() as session:
        own = page_of(session, TEACHER, visit.caller.owner, shared=False, after=None, limit=SHOWN)
        shared = page_of(session, TEACHER, visit.caller.owner, shared=True, after=None, limit=SHOWN)
        trained = trained_teachers(session, visit.caller.owner, after=None, limit=SHOWN)
        views = [TeacherView.of(row) for row in (*own, *shared)]
        stages = [TeacherView.of_stage(stage) for stage in trained]
    return visit.page(
        "teachers.html",
        title="Teachers",
        here="/ui/teachers",
        teachers=views,
        trained=stages,
        layouts=tuple(LAYOUTS),
        settings=TEACHER_SETTINGS,
        live=visit.live,
    )


@router.get("/ui/teachers/{id}")
def show_teacher(ref: Ref, visit: VisitDep) -> Response:
    """Blocks, methods, and what was measured of it."""
    with visit.reading() as session:
        view = teacher_view(session, visit.caller.owner, ref)
    return visit.page(
        "teacher.html",
        title=view.name or view.label or ref[:12],
        here="/ui/teachers",
        one=view,
        live=visit.live,
    )
