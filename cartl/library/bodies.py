"""What is sent: requests as JSON, made and checked before anybody is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cartl.http.problems import NotUsable

Request = Mapping[str, Any] | BaseModel

NEWEST = "ensemble"
"""The evaluation that a network is measured again with where none is named: the strongest for any classes."""


def request_body(request: Request | None, fields: Mapping[str, Any]) -> bytes:
    """``request`` with ``fields`` laid over it, as JSON.

    Raises:
        NotUsable: it holds what JSON cannot say.
    """
    return encoded({**plain(request), **{name: plain_value(value) for name, value in fields.items()}})


def plain(request: Request | None) -> dict[str, Any]:
    """A request as JSON has it: of a model only what was set.

    Raises:
        NotUsable: it is neither a mapping nor a model.
    """
    if request is None:
        return {}
    if isinstance(request, BaseModel):
        return request.model_dump(mode="json", exclude_unset=True)
    if not isinstance(request, Mapping):
        raise NotUsable(
            f"a request is a mapping, a JobRequest or keyword arguments, not {type(request).__name__}"
        )
    return {str(name): plain_value(value) for name, value in request.items()}


def plain_value(value: Any) -> Any:
    """A value of a request, models and mappings in it as JSON has them."""
    if isinstance(value, BaseModel | Mapping):
        return plain(value)
    if isinstance(value, list | tuple):
        return [plain_value(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def encoded(body: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8.

    Raises:
        NotUsable: it holds what JSON cannot say.
    """
    try:
        return json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotUsable(f"the request cannot be written as JSON: {error}") from error


def evaluation(network: Mapping[str, Any], dataset: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """The request that has a network measured."""
    measured_on = {} if dataset is None else {"dataset": dataset}
    return {"kind": "evaluate", "network": network, **measured_on}


def remeasurement(evaluate: str | Mapping[str, Any], fields: Mapping[str, Any]) -> bytes:
    """What is new, as JSON.

    Args:
        evaluate: an evaluation by name, or the `evaluate` of a request.
        fields: name, tags and the like.

    Raises:
        NotUsable: it holds what JSON cannot say.
    """
    asked = {"preset": evaluate} if isinstance(evaluate, str) else evaluate
    return request_body({"evaluate": asked}, fields)


def network_of(network: str | Path | Mapping[str, Any]) -> Path | dict[str, Any]:
    """The network of an evaluation: a file that is to be uploaded, or a reference.

    A text is the file of that name where there is one, else the id of a job.
    """
    if isinstance(network, Mapping):
        return plain(network)
    try:
        if isinstance(network, Path) or Path(network).is_file():
            return Path(network)
    except (OSError, ValueError) as error:
        raise NotUsable(f"{str(network)[:80]!a} is neither a file nor an id") from error
    return {"job": network}
