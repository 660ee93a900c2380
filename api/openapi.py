"""The OpenAPI document: every status a route can answer, every error as a problem, bodies that run.

Routes name the problems they may answer with ``problems(...)``; the body of ``POST /jobs`` is read by hand,
so its schema is added here.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api.http.problems import MEDIA_TYPE, ProblemBody
from api.schemas import STANDS_FOR, DryRun
from api.sweep_views import SweepDryRun
from cartl_core.spec import JobRequest, JobSpec
from cartl_core.spec.architecture import Architecture
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec
from cartl_core.spec.sweep import SweepRequest

SERIALIZED = (JobSpec, EvaluateJobSpec, Architecture, DryRun, SweepDryRun)
Responses = dict[int | str, dict[str, Any]]

REF = "#/components/schemas/{model}"
DESCRIPTIONS = {
    400: "The request cannot be read",
    401: "An API key is needed, or the one given is not known",
    403: "The key lacks the role; or, without keys, the request does not come from this machine",
    404: "There is no such thing, or it belongs to somebody else",
    406: "None of the accepted media types is available",
    409: "The state does not allow this",
    413: "The body is too large",
    415: "The body is not application/json",
    416: "The file has no such range",
    422: "A field or parameter is not valid; `errors` names each with what is allowed",
    429: "Too many requests; see Retry-After",
    500: "A mistake of the service; nothing about it is told here",
    503: "The database cannot be reached, or all connections are in use; nothing was changed",
    507: "A disk of the service is full; nothing was changed",
}
# What any route with a caller and a session may answer.
COMMON = (401, 403, 422, 429, 500, 503, 507)

EXAMPLES: dict[str, dict[str, Any]] = {
    "smallest": {
        "summary": "A target and a freeze depth; all else from the preset",
        "value": {"dataset": "svhn", "freeze_depth": 6},
    },
    "class split": {
        "summary": "From six classes of Fashion-MNIST to the other four, beside plain transfer",
        "value": {
            "dataset": {"name": "fashion_mnist", "classes": [6, 7, 8, 9]},
            "source": {"name": "fashion_mnist", "classes": [0, 1, 2, 3, 4, 5]},
            "freeze_depth": 2,
            "model": "wrn-16-2",
            "baselines": ["vanilla"],
            "name": "fashion, k = 6",
            "tags": ["demo"],
        },
    },
    "consistent tuning": {
        "summary": "Our own method, further towards robust accuracy than by default",
        "value": {
            "dataset": {"name": "fashion_mnist", "classes": [6, 7, 8, 9]},
            "source": {"name": "fashion_mnist", "classes": [0, 1, 2, 3, 4, 5]},
            "method": "consistent",
            "freeze_depth": 2,
            "model": "wrn-16-2",
            "transfer": {"displacement": {"weight": 4.0}},
        },
    },
    "let the run choose": {
        "summary": "Method and depth by validation images, among candidates that hold plain transfer",
        "value": {
            "dataset": {"name": "fashion_mnist", "classes": [6, 7, 8, 9]},
            "method": "auto",
            "freeze_depth": "auto",
            "auto": {"margin": 0.01},
        },
    },
    "a network that exists": {
        "summary": "The student of an earlier job, measured on another data set of as many classes",
        "value": {
            "kind": "evaluate",
            "dataset": "mnist",
            "network": {"job": "0199f3a2c5d07c3e8a51b6f4e2d90c77"},
        },
    },
    "in seconds": {
        "summary": "Digits with the smallest network and the preset for tests",
        "value": {
            "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
            "freeze_depth": 2,
            "model": "tiny",
            "preset": "smoke",
        },
    },
}


SWEEP_EXAMPLES: dict[str, dict[str, Any]] = {
    "which depth": {
        "summary": "CARTL beside plain transfer at three depths; with one teacher for every depth",
        "value": {
            "name": "which depth?",
            "base": {
                "dataset": {"name": "fashion_mnist", "classes": [6, 7, 8, 9]},
                "model": "wrn-16-2",
                "pretrain": {"fdm_layers": "every"},
            },
            "grid": {
                "method": ["vanilla", "cartl"],
                "freeze_depth": [2, 4, 6],
                "beta": [0.4, 0.6],
                "seed": [0, 1, 2],
            },
        },
    },
    "in seconds": {
        "summary": "Two seeds of one setting on digits, with the preset for tests",
        "value": {
            "base": {
                "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
                "freeze_depth": 2,
                "model": "tiny",
                "preset": "smoke",
            },
            "grid": {"seed": [0, 1]},
        },
    },
}


def problems(*statuses: int) -> Responses:
    """OpenAPI responses for the common problems and ``statuses``."""
    return problems_only(*COMMON, *statuses)


def problems_only(*statuses: int) -> Responses:
    """OpenAPI responses for ``statuses`` alone."""
    return {
        status: {
            "description": DESCRIPTIONS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}},
        }
        for status in sorted(set(statuses))
    }


def json_body(models: tuple[type[BaseModel], ...], examples: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """``openapi_extra`` for a route that reads its JSON body, one of ``models``, by hand."""
    refs = [{"$ref": REF.format(model=model.__name__)} for model in models]
    content = {"schema": refs[0] if len(refs) == 1 else {"anyOf": refs}, "examples": examples}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def install(app: FastAPI, *bodies: type[BaseModel]) -> None:
    """Give ``app`` its document, with the schemas of hand-read bodies, specs and problems in it."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, (JobRequest, EvaluateJobRequest, SweepRequest, *bodies))
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI, bodies: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(body, "validation") for body in bodies]
    wanted += [(kind, "serialization") for kind in SERIALIZED]
    for model, mode in wanted:
        _, extra = models_json_schema([(model, mode)], ref_template=REF)
        for name, schema in extra.get("$defs", {}).items():
            schemas.setdefault(name, schema)
    schemas["Problem"] = _problem_schema(schemas)
    document["components"]["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key; not needed while none exists.",
        }
    }
    document["security"] = [{}, {"key": []}]
    _fill_in(document)
    return document


def _fill_in(node: Any) -> None:
    """Put a reference wherever a schema only names what stands there."""
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if isinstance(child, dict) and STANDS_FOR in child:
            refs = [{"$ref": REF.format(model=model)} for model in child.pop(STANDS_FOR)]
            child.update(refs[0] if len(refs) == 1 else {"anyOf": refs})
        _fill_in(child)


def _problem_schema(schemas: dict[str, Any]) -> dict[str, Any]:
    schema = ProblemBody.model_json_schema(ref_template=REF)
    schemas.update(schema.pop("$defs", {}))
    return schema
