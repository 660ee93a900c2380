"""The form of a new job, begun empty or with the request of another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from api.routes.ui.visit import VisitDep
from api.web.form_fields import FormField, fields_of, value_at
from cartl_core.catalog import DATASETS, KNOWN_MODELS, METHODS, PRESETS, model_facts
from cartl_core.spec.arm import AUTO
from cartl_core.spec.request import (
    HIGHEST_PRIORITY,
    LOWEST_PRIORITY,
    EvaluateOverrides,
    PretrainOverrides,
    TransferOverrides,
)
from jobs import store
from jobs.errors import JobNotFound
from jobs.store.resources.kinds import DATASET, TEACHER
from jobs.store.resources.lists import page_of

router = APIRouter(include_in_schema=False)

SHOWN_RESOURCES = 200
GROUPS = (
    ("Training of the teacher", PretrainOverrides, "pretrain"),
    ("Tuning of the student", TransferOverrides, "transfer"),
    ("What is measured", EvaluateOverrides, "evaluate"),
)
SHOWN = (
    "dataset",
    "source",
    "model",
    "method",
    "freeze_depth",
    "preset",
    "baselines",
    "name",
    "tags",
    "seed",
    "priority",
)
BEGIN: dict[str, Any] = {"freeze_depth": 6, "method": "consistent", "baselines": ["vanilla", "cartl"]}


@router.get("/ui/jobs/new")
def show_form(
    visit: VisitDep,
    begin: Annotated[str, Query(alias="from", max_length=64)] = "",
    dataset: Annotated[str, Query(max_length=64)] = "",
    teacher: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """The form; ``from`` names a job whose request it begins with, the others what is chosen beforehand."""
    chosen = {"dataset": dataset, "teacher": teacher}
    written: dict[str, Any] = BEGIN | {name: value for name, value in chosen.items() if value}
    began_with = None
    if begin:
        with visit.reading() as session:
            try:
                written, began_with = dict(store.find(session, begin, visit.caller.owner).request), begin
            except JobNotFound:
                began_with = None
    written = plain_names(written)
    with visit.reading() as session:
        own, teachers = _own(session, visit.caller.owner)
    groups = [(title, fields_of(model, path, written)) for title, model, path in GROUPS]
    shown = {field.path for _, group in groups for field in group}
    return visit.page(
        "new_job.html",
        title="New job",
        here="/ui/jobs",
        began_with=began_with,
        fields=_main_fields(written, visit.context.settings.default_preset, own, tuple(teachers)),
        groups=groups,
        methods=tuple(METHODS),
        baselines=[name for name in written.get("baselines", ()) if isinstance(name, str)],
        models=KNOWN_MODELS,
        blocks={name: model_facts(name).blocks for name in KNOWN_MODELS}
        | {f"teacher {name}": blocks for name, blocks in teachers.items()},
        chosen_model=written.get("model"),
        default_model="wrn-28-4",
        more=_rest(written, shown),
    )


def plain_names(written: Mapping[str, Any]) -> dict[str, Any]:
    """The request with data sets as objects, and a network by its name where nothing else is said of it."""
    changed = dict(written)
    for field in ("dataset", "source"):
        if isinstance(changed.get(field), str):
            changed[field] = {"name": changed[field]}
    if isinstance(changed.get("baselines"), list):
        changed["baselines"] = [_plain_baseline(one) for one in changed["baselines"]]
    model = changed.get("model")
    if isinstance(model, Mapping) and set(model) == {"name"}:
        changed["model"] = model["name"]
    return changed


def _plain_baseline(written: Any) -> Any:
    """A baseline by its name where nothing else is said of it."""
    alone = isinstance(written, Mapping) and set(written) == {"method"}
    return written["method"] if alone else written


def _own(session: Session, owner: str) -> tuple[tuple[str, ...], dict[str, int]]:
    """Names of the data sets that can be used, and of the teachers with their numbers of blocks."""
    datasets = page_of(session, DATASET, owner, shared=False, after=None, limit=SHOWN_RESOURCES)
    teachers = page_of(session, TEACHER, owner, shared=False, after=None, limit=SHOWN_RESOURCES)
    ready = tuple(row.name for row in datasets if row.state == "ready")
    usable = {row.name: len(row.found["blocks"]) for row in teachers if row.found and row.state != "rejected"}
    return ready, usable


def _main_fields(
    written: Mapping[str, Any], default_preset: str, own: tuple[str, ...], teachers: tuple[str, ...]
) -> dict[str, FormField]:
    names = (*own, *DATASETS)
    rows = (
        FormField(
            "dataset.name",
            "Data set (target)",
            choices=names,
            placeholder="choose",
            help="What the network is to learn.",
        ),
        FormField("dataset.classes", "Its classes", "labels", help="Labels, e.g. 6 7 8 9; empty takes all."),
        FormField("source.name", "Source of the teacher", choices=names, placeholder="the usual one"),
        FormField(
            "source.classes",
            "Its classes",
            "labels",
            help="Empty takes all, or the other classes of the target's.",
        ),
        FormField(
            "teacher",
            "Teacher of yours",
            "choice",
            choices=teachers,
            placeholder="none: one is trained",
            help="With it no network is chosen and none is trained.",
        ),
        FormField("method", "Method", choices=(*METHODS, AUTO), placeholder="cartl"),
        FormField(
            "freeze_depth", "Freeze depth", "depth", help="Leading blocks that stay as they are, or auto."
        ),
        FormField(
            "preset",
            "Preset",
            choices=tuple(PRESETS),
            placeholder=default_preset,
            help="How much of everything.",
        ),
        FormField("name", "Name", help="For you, up to 200 characters."),
        FormField("tags", "Tags", "list", help="Words with commas."),
        FormField("seed", "Seed", "number", placeholder="0"),
        FormField(
            "priority",
            "Priority",
            "number",
            placeholder="0",
            help=f"Among your own jobs, {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}: higher goes first.",
        ),
    )
    return {row.path: _with_value(row, written) for row in rows}


def _with_value(field: FormField, written: Mapping[str, Any]) -> FormField:
    return FormField(**{**vars(field), "value": value_at(written, field.path)})


def _rest(written: Mapping[str, Any], shown: set[str]) -> str:
    """What no input shows, as JSON: lists, and values of parts that are objects."""
    rest: dict[str, Any] = {}
    for name, value in written.items():
        left = _left(name, value, shown)
        if left not in (None, {}, ()):
            rest[name] = left
    return json.dumps(rest, indent=2) if rest else ""


def _left(name: str, value: Any, shown: set[str]) -> Any:
    """What the inputs do not show of one field of a request; None: they show all of it."""
    if name in ("pretrain", "transfer", "evaluate"):
        return _without(value, name, shown)
    if name in ("dataset", "source") and isinstance(value, Mapping):
        return {key: one for key, one in value.items() if key not in ("name", "classes")}
    if name == "baselines":
        return None if all(isinstance(one, str) for one in value) else value
    if name in ("model", "teacher"):
        return None if isinstance(value, str) else value
    return None if name in SHOWN or (name == "kind" and value == "transfer") else value


def _without(value: Any, path: str, shown: set[str]) -> Any:
    if path in shown:
        return None
    if not isinstance(value, Mapping):
        return value
    kept = {key: _without(one, f"{path}.{key}", shown) for key, one in value.items()}
    return {key: one for key, one in kept.items() if one is not None and one != {}} or None
