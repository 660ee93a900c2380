"""The JSON schemas of everything that is posted, stored or told, and the API's OpenAPI document.

They say much several times, so the file is packed: ``xzcat tests/golden/data/schemas.json.xz`` shows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api.main import create_app
from cartl_core.events import EVENT, ORDER
from cartl_core.report import Report
from cartl_core.spec import JobRequest, JobSpec
from cartl_core.spec.existing_network import EvaluateJobRequest, EvaluateJobSpec
from cartl_core.spec.sweep import SweepRequest
from jobs.settings import Settings

MODELS = (JobRequest, JobSpec, EvaluateJobRequest, EvaluateJobSpec, SweepRequest, Report)
SCHEMA_2 = ("Report", "Event", "OpenAPI")
"""What holds a report: changed once, with version 2 of its schema; ``schemas-2.json.xz`` has them since."""


def collect(folder: Path) -> dict[str, Any]:
    """Every schema by name; ``folder`` is where the application would keep its data."""
    return {
        **{model.__name__: model.model_json_schema() for model in MODELS},
        "Event": EVENT.json_schema(),
        "Order": ORDER.json_schema(),
        "OpenAPI": create_app(Settings(data_dir=folder)).openapi(),
    }
